package iouring

// The kernel's interface: include/uapi/linux/io_uring.h.

// sqe is struct io_uring_sqe: 64 bytes, shared with the kernel. addr is a
// pointer that the garbage collector does not see; what it points to is kept
// alive by the Op in Ring.slots.
type sqe struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64
	addr     uint64
	length   uint32
	opFlags  uint32 // rw_flags, fsync_flags, cancel_flags
	userData uint64
	bufIndex uint16
	_        uint16
	_        int32
	_        [2]uint64
}

// cqe is struct io_uring_cqe. res is a count, or an errno negated.
type cqe struct {
	userData uint64
	res      int32
	flags    uint32
}

// params is struct io_uring_params: in with flags and cqEntries, out with all
// else.
type params struct {
	sqEntries    uint32
	cqEntries    uint32
	flags        uint32
	sqThreadCPU  uint32
	sqThreadIdle uint32
	features     uint32
	wqFD         uint32
	_            [3]uint32
	sqOff        sqOffsets
	cqOff        cqOffsets
}

// sqOffsets says where in the first mapping the submission queue's parts are.
type sqOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
	_                                                           uint64
}

// cqOffsets is the same for the completion queue.
type cqOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
	_                                                           uint64
}

// probe is struct io_uring_probe with room for all opcodes.
type probe struct {
	lastOp uint8
	opsLen uint8
	_      uint16
	_      [3]uint32
	ops    [256]probeOp
}

// probeOp is struct io_uring_probe_op.
type probeOp struct {
	op    uint8
	_     uint8
	flags uint16
	_     uint32
}

const probeSupported = 1 // IO_URING_OP_SUPPORTED

// Opcodes: enum io_uring_op.
const (
	opNop         = 0
	opReadv       = 1
	opWritev      = 2
	opFsync       = 3
	opReadFixed   = 4
	opWriteFixed  = 5
	opAsyncCancel = 14
	opFallocate   = 17
	opRead        = 22
	opWrite       = 23
)

// needed are the opcodes that this package uses.
var needed = []struct {
	code uint8
	name string
}{
	{opNop, "nop"}, {opReadv, "readv"}, {opWritev, "writev"}, {opFsync, "fsync"}, {opReadFixed, "read_fixed"}, {opWriteFixed, "write_fixed"},
	{opAsyncCancel, "async_cancel"}, {opFallocate, "fallocate"}, {opRead, "read"}, {opWrite, "write"},
}

// Flags of an sqe.
const (
	sqeFixedFile = 1 << 0
	sqeLink      = 1 << 2
	sqeAsync     = 1 << 4
)

const fsyncDataSync = 1 // IORING_FSYNC_DATASYNC

// Flags of io_uring_setup(2).
const (
	setupCQSize       = 1 << 3
	setupClamp        = 1 << 4
	setupSubmitAll    = 1 << 7
	setupCoopTaskrun  = 1 << 8
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13
)

// setups are the flags that Probe tries, each with those it needs.
var setups = []struct {
	name  string
	flags uint32
}{
	{"cqsize", setupCQSize}, {"clamp", setupClamp}, {"submit_all", setupSubmitAll}, {"coop_taskrun", setupCoopTaskrun},
	{"single_issuer", setupSingleIssuer}, {"defer_taskrun", setupSingleIssuer | setupDeferTaskrun},
}

// Features, as io_uring_setup tells them.
const (
	featSingleMmap   = 1 << 0
	featNoDrop       = 1 << 1
	featSubmitStable = 1 << 2
	featNeeded       = featSingleMmap | featNoDrop | featSubmitStable // 5.5
)

// featNames are the features by their bits, from 0, as the header has them;
// later ones are shown by number.
var featNames = []string{
	"single_mmap", "nodrop", "submit_stable", "rw_cur_pos", "cur_personality", "fast_poll", "poll_32bits", "sqpoll_nonfixed",
	"ext_arg", "native_workers", "rsrc_tags", "cqe_skip", "linked_file", "reg_reg_ring", "recvsend_bundle", "min_timeout", "rw_attr", "no_iowait",
}

// Of the submission queue's flags.
const sqCQOverflow = 1 << 1

const enterGetEvents = 1 // IORING_ENTER_GETEVENTS

// Where to map what.
const (
	offSQRing = 0
	offSQEs   = 0x10000000
)

// Operations of io_uring_register(2).
const (
	registerBuffers   = 0
	unregisterBuffers = 1
	registerFiles     = 2
	unregisterFiles   = 3
	registerProbe     = 8
)
