#!/bin/sh
# Runs text traces against a mounted device: the second of their two
# interpreters (trace_test.go is the first, and says what the language is).
# What a step does is done as a person would at a shell: with redirections, cat,
# mkdir, rm. It needs no more than POSIX sh, so that each shell is tried.
#
#   trace.sh MOUNTPOINT TRACE...
#
# It prints a line for each step that did not go as written; the exit status
# is 1 if there was any.

LC_ALL=C
export LC_ALL
mnt=$1
shift
cd "$mnt" || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0
JOB=0
uid=$(id -u)
gid=$(id -g)

complain() {
	printf '%s:%s: %s\n' "$trace" "$number" "$1"
	failed=1
}

# message ERRNO: what the C library says of it.
message() {
	case $1 in
	E2BIG) echo 'Argument list too long' ;;
	EACCES) echo 'Permission denied' ;;
	EBUSY) echo 'Device or resource busy' ;;
	EDOM) echo 'Numerical argument out of domain' ;;
	EEXIST) echo 'File exists' ;;
	EINVAL) echo 'Invalid argument' ;;
	EIO) echo 'Input/output error' ;;
	EISDIR) echo 'Is a directory' ;;
	ELOOP) echo 'Too many levels of symbolic links' ;;
	ENOENT) echo 'No such file or directory' ;;
	ENOMEM) echo 'Cannot allocate memory' ;;
	ENOSPC) echo 'No space left on device' ;;
	ENOTDIR) echo 'Not a directory' ;;
	ENOTEMPTY) echo 'Directory not empty' ;;
	EPERM) echo 'Operation not permitted' ;;
	ETIMEDOUT) echo 'Connection timed out' ;;
	*) echo "trace.sh knows no errno $1" ;;
	esac
}

# replace NAME VALUE: in text.
replace() {
	rest=$text
	done=
	while :; do
		case $rest in
		*"$1"*)
			done=$done${rest%%"$1"*}$2
			rest=${rest#*"$1"}
			;;
		*) break ;;
		esac
	done
	text=$done$rest
}

# expand TEXT: with the number of the last `job` step in place of @JOB, and who
# we are.
expand() {
	text=$1
	replace @JOB "$JOB"
	replace @UID "$uid"
	replace @GID "$gid"
}

# ours TEXT: tells whether a step is for such as us, and leaves it in text.
ours() {
	case $1 in
	'root '*) text=${1#root } && [ "$uid" -eq 0 ] ;;
	'user '*) text=${1#user } && [ "$uid" -ne 0 ] ;;
	esac
}

# store FORMAT PATH TEXT REDIRECTION: writes the text. Where a failure is
# expected dd does it, since not every shell tells the errno of its echo.
store() {
	if [ "$want" = OK ]; then
		if [ "$4" = '>>' ]; then
			# shellcheck disable=SC2059 # the formats are ours
			printf "$1" "$3" >>"$2"
		else
			# shellcheck disable=SC2059
			printf "$1" "$3" >"$2"
		fi
		return
	fi
	set -- "$1" "$2" "$3" "$4" "of=$2"
	[ "$4" = '>>' ] && set -- "$@" conv=notrunc oflag=append
	# shellcheck disable=SC2059
	printf "$1" "$3" | (
		shift 4
		dd bs=64k "$@"
	)
}

# ask LINE: writes a line to run and reads the answer on the same handle.
ask() {
	exec 3<>run || return
	if [ "$want" = OK ]; then
		printf '%b\n' "$1" >&3 && cat <&3
	else
		printf '%b\n' "$1" | cat >&3
	fi
	status=$?
	exec 3>&-
	return "$status"
}

# newest QUEUE: finds the highest job number.
newest() {
	for id in "queues/$1/jobs"/*; do
		id=${id##*/}
		[ "$id" -gt "$JOB" ] && JOB=$id
	done
	[ "$JOB" -gt 0 ]
}

# step VERB OPERANDS: carries it out.
step() {
	verb=$1
	operand=${2%% *}
	rest=${2#"$operand"}
	rest=${rest# }
	case $verb in
	write) store '%b\n' "$operand" "$rest" '>' ;;
	append) store '%b\n' "$operand" "$rest" '>>' ;;
	send) store '%b' "$operand" "$rest" '>' ;;
	truncate) store '%b' "$operand" '' '>' ;;
	ask) ask "$2" ;;
	read) cat "$operand" ;;
	list) ls -A "$operand" ;;
	size) [ "$(wc -c <"$operand")" -eq "$rest" ] ;;
	same) cmp "$operand" "$rest" ;;
	has) grep -Eqx -e "$rest" "$operand" ;;
	lacks) ! grep -Eqx -e "$rest" "$operand" ;;
	json) /usr/bin/python3 -m json.tool "$operand" >"$tmp/json" ;;
	job) newest "$operand" ;;
	mkdir | rmdir | touch) "$verb" "$operand" ;;
	rm) rm "$2" ;;
	mv | ln | chmod) "$verb" "$operand" "$rest" ;;
	copy) cp "$operand" "$rest" ;;
	symlink) ln -s "$operand" "$rest" ;;
	present) [ -e "$operand" ] ;;
	absent) [ ! -e "$operand" ] ;;
	*)
		echo "no such verb: $verb" >&2
		return 1
		;;
	esac
}

# perform LINE: takes a step and leaves its output open as descriptor 6.
perform() {
	want=OK
	line=$1
	case $line in
	'fails '*)
		line=${line#fails }
		want=${line%% *}
		line=${line#* }
		;;
	esac
	step "${line%% *}" "${line#* }" >"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ "$want" = OK ] && [ "$status" -ne 0 ]; then
		complain "$line: status $status: $(cat "$tmp/err")"
	elif [ "$want" != OK ] && ! grep -q "$(message "$want")" "$tmp/err"; then
		complain "$line: status $status, $(cat "$tmp/err"), want $want"
	fi
	exec 6<"$tmp/out"
	checked=no
}

# compare LINE: an expectation about the next line of the output.
compare() {
	checked=yes
	case $1 in
	'*')
		checked=rest
		return
		;;
	esac
	if ! IFS= read -r got <&6; then
		complain "the output ends, want $1"
	elif [ "${1%"${1#?}"}" = '=' ]; then
		expected=${1#=}
		[ "$got" = "${expected# }" ] || complain "\"$got\", want \"${expected# }\""
	else
		printf '%s\n' "$got" | grep -Eqx -e "${1#~ }" || complain "\"$got\" does not match ${1#~ }"
	fi
}

# finish: where output was compared, there must be no more of it.
finish() {
	if [ "$checked" = yes ] && IFS= read -r got <&6; then
		complain "\"$got\" follows, want the end"
	fi
	checked=no
}

for trace in "$@"; do
	number=0
	checked=no
	while IFS= read -r line <&5; do
		number=$((number + 1))
		expand "$line"
		case $line in
		'' | '#'*) ;;
		'='* | '~ '* | '*') compare "$text" ;;
		*)
			finish
			if ours "$text"; then perform "$text"; fi
			;;
		esac
	done 5<"$trace"
	finish
done
exit "$failed"
