#!/usr/bin/perl
# A client in Perl, core modules alone: client.pl DIRECTORY.
use strict;
use warnings;
use Errno qw(EINVAL EIO ENOENT);
use Fcntl qw(O_RDWR O_RDONLY SEEK_SET);
use IO::Handle;

chdir $ARGV[0] or die $!;

sub check { my ($ok, $what) = @_; $ok or die "$what ($!)\n" }

sub run { open my $f, '>', 'run' or die $!; print $f "$_\n" for @_; return close $f }

sub ask {
	sysopen my $f, 'run', O_RDWR or die $!;
	syswrite($f, "$_[0]\n") or die $!;
	my ($out, $part) = ('', '');
	$out .= $part while sysread $f, $part, 4096;
	close $f or die $!;
	chomp $out;
	return $out;
}

# Packed numbers, typed where they are used.
open my $f, '>:raw', 'buffers/perl.bin' or die $!;
print $f pack 'f<*', map { $_ / 2 } 0 .. 999;
close $f or die $!;
check(ask('sum perl.bin:f32') eq '249750.0', 'sum');
check(run('map "y = 2*x" x=perl.bin:f32:10x100 y=twice.bin'), 'map');
open $f, '<:raw', 'buffers/twice.bin' or die $!;
my @y = unpack 'f<*', do { local $/; <$f> };
check(@y == 1000 && !grep({ $y[$_] != $_ } 0 .. 999), 'the result');
seek $f, 400, SEEK_SET or die $!;
read $f, my $four, 4;
check(unpack('f<', $four) == 100, 'seek');
close $f;

# Failures come as errno.
check(!run('bogus') && $! == EINVAL, 'bogus is EINVAL');
check(!run('sum nosuch.npy') && $! == ENOENT, 'nosuch.npy is ENOENT');
check(!run('fault bad.bin') && $! == EIO, 'fault is EIO');
check(!open($f, '<', 'buffers/bad.bin') && $! == EIO, 'bad.bin is EIO');
unlink 'buffers/bad.bin' or die $!;

# A queue.
mkdir 'queues/perl' or die $!;
open my $ctl, '>', 'queues/perl/ctl' or die $!;
$ctl->autoflush(1);
print $ctl "fill perl$_.npy:u8:10 value=$_\n" or die $! for 1 .. 50;
open my $wait, '<', 'queues/perl/wait' or die $!;
my @failures = <$wait>;
check(@failures == 0, 'nothing fails');
check(ask("sum perl$_.npy") == 10 * $_, "p$_") for 1, 25, 50;
open my $log, '<', 'queues/perl/log' or die $!;
check(50 == grep({ /"state":"done"/ } <$log>), 'the log');
close $_ or die $! for $ctl, $wait, $log;
rmdir 'queues/perl' or die $!;
check(-e 'buffers/perl1.npy' && -s _ == 138 && -f _, 'file tests');
check(rename('buffers/perl1.npy', 'buffers/renamed.npy') && !-e 'buffers/perl1.npy', 'rename');
my @names = sort glob 'buffers/perl*.npy';
check(@names == 49, 'glob');
