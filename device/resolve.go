package device

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"vgpu/alloc"
	"vgpu/kernels"
	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

// npySuffix ends the names of outputs that get an NPY header.
const npySuffix = ".npy"

// found is what stands under a name: on a tier, or made by an earlier line.
type found struct {
	exists bool
	size   int64
	virt   *virtual
}

// lookup resolves an operand's path for the writer. want is 4 to read, 2 to
// write what exists.
func (b *batch) lookup(ref *kernels.Ref, want uint32) (rel string, f found, err error) {
	rel, st, err := b.d.store.Resolve(b.sub.cred, ref.Path)
	if err != nil {
		return "", f, b.d.refError(ref, err)
	}
	if st != nil && !b.sub.cred.May(st, want) {
		return "", f, b.d.refError(ref, unix.EACCES)
	}
	if v := b.virtual[rel]; v != nil { // an earlier line overwrites it; owner and mode stay
		return rel, found{true, v.size, v}, nil
	}
	if st == nil {
		return rel, f, nil
	}
	if v := b.d.toBe(st.Ino); v != nil {
		return rel, found{true, v.size, v}, nil
	}
	return rel, found{exists: true, size: st.Size}, nil
}

// toBe is what a buffer will be once the accepted jobs that write it have
// ended, nil if none will write it whole. Its header cannot be read meanwhile on
// a device that spills: it may move without its bytes.
func (d *Device) toBe(ino uint64) *virtual {
	if d.moves == nil {
		return nil
	}
	buf := d.store.Held(ino)
	if buf == nil {
		return nil
	}
	defer buf.Release()
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hazards[buf]
	if h == nil {
		return nil
	}
	for _, a := range slices.Backward(h.accesses) {
		for i := range a.job.ops {
			if op := &a.job.ops[i]; op.buf == buf && op.whole {
				return &virtual{layout: op.layout, typed: len(op.header) > 0, size: int64(op.layout.Offset + op.layout.Bytes())}
			}
		}
	}
	return nil
}

// refError puts the caret of a file error under the operand. Below a directory
// of plain files there is no buffers/.
func (d *Device) refError(ref *kernels.Ref, err error) *command.Error {
	var told *command.Error
	if errors.As(err, &told) {
		return told
	}
	e := ref.Errorf("%s: %v", ref.Path, err)
	e.Errno, e.Hint = Errno(err), tierHint(err)
	dir := "buffers/"
	if d.cfg.Store.Plain != "" {
		dir = d.cfg.Store.Plain
	}
	switch e.Errno {
	case unix.EACCES:
		e.Msg, e.Hint = ref.Path+": not yours", "ls -l "+dir+" shows owners and modes"
	case unix.ENOENT:
		e.Msg, e.Hint = ref.Path+": no such buffer", "ls "+dir+" lists what there is"
	case unix.ELOOP:
		e.Msg, e.Hint = ref.Path+": leads out through a symlink, or round in circles", "operands are paths inside "+dir
	case unix.EINVAL:
		e.Msg, e.Hint = ref.Path+": "+d.notOperand(ref.Path), "operands are paths of files inside "+dir
	case unix.EDQUOT:
		e.Hint = "remove buffers of yours, or mount with a larger --quota"
	case unix.EISDIR:
		e.Msg, e.Hint = ref.Path+": a directory", "operands are paths of files inside "+dir
	}
	return e
}

// notOperand says why a path names nothing that a command can work on.
func (d *Device) notOperand(path string) string {
	if strings.HasPrefix(path, "/") || slices.Contains(strings.Split(path, "/"), "..") {
		return "climbs out"
	}
	return "not a regular file"
}

// checkInput finds an input, its type and its shape.
func (b *batch) checkInput(dr *draft, in *kernels.Input) error {
	rel, f, err := b.lookup(&in.Ref, 4)
	if err != nil {
		return err
	}
	if !f.exists {
		return b.d.refError(&in.Ref, unix.ENOENT)
	}
	layout, err := b.typeOf(rel, &in.Ref, f)
	if err != nil {
		return err
	}
	if err := b.checkGood(rel, &in.Ref, f); err != nil {
		return err
	}
	in.Layout = layout
	dr.ins = append(dr.ins, inDraft{rel, &in.Ref, layout, f.size})
	return nil
}

// checkGood refuses an input that is known to be bad. One whose job has not
// ended is pending, not bad: the reader waits and sees.
func (b *batch) checkGood(rel string, ref *kernels.Ref, f found) error {
	if f.virt != nil {
		return nil
	}
	if m, ok := b.d.store.MarkOf(rel); ok && m.Bad() {
		return badError(ref, m)
	}
	return nil
}

// badError refuses an input that is the output of a job that did not end done:
// EIO.
func badError(ref *kernels.Ref, m alloc.Mark) *command.Error {
	e := ref.Errorf("%s is bad: job %d: %s", ref.Path, m.Job, m.Reason)
	e.Errno, e.Hint = syscall.EIO, "overwrite or remove it"
	return e
}

// typeOf finds the layout of what exists under rel: from the header of an NPY
// file, or as the operand is typed in the line; then sliced.
func (b *batch) typeOf(rel string, ref *kernels.Ref, f found) (ndarray.Layout, error) {
	layout, typed, err := b.header(rel, ref, f)
	if err != nil {
		return layout, err
	}
	switch {
	case typed && ref.DType != ndarray.Invalid:
		if ref.DType != layout.DType || ref.Shape != nil && !slices.Equal(ref.Shape, layout.Shape) {
			return layout, ref.Errorf("%s has an NPY header that says %s", ref.Path, layout)
		}
	case !typed:
		if layout, err = rawLayout(ref, f.size); err != nil {
			return layout, err
		}
	}
	if _, hi := layout.Extent(); int64(hi) > f.size {
		return layout, ref.Errorf("%s is truncated: %s ends at byte %d, the file at %d", ref.Path, layout, hi, f.size)
	}
	if ref.Slice == nil {
		return layout, nil
	}
	sliced, err := layout.Slice(ref.Slice)
	if err != nil {
		return layout, ref.Errorf("%s of %s: %v", ref.Path, layout, err)
	}
	return sliced, nil
}

// header reads the NPY header, if there is one.
func (b *batch) header(rel string, ref *kernels.Ref, f found) (l ndarray.Layout, typed bool, err error) {
	if f.virt != nil {
		return f.virt.layout, f.virt.typed, nil
	}
	head, err := b.d.readHead(rel, 512)
	if err != nil {
		return l, false, b.d.refError(ref, err)
	}
	l, err = ndarray.ParseNPY(head)
	var short *ndarray.ShortError
	if errors.As(err, &short) && int64(short.Need) <= f.size {
		if head, err = b.d.readHead(rel, short.Need); err != nil {
			return l, false, b.d.refError(ref, err)
		}
		l, err = ndarray.ParseNPY(head)
	}
	switch {
	case errors.Is(err, ndarray.ErrNotNPY):
		return l, false, nil
	case err != nil:
		return l, false, ref.Errorf("%s: bad NPY header: %v", ref.Path, err)
	}
	return l, true, nil
}

// readHead reads the first n bytes of a buffer, or all there are.
func (d *Device) readHead(rel string, n int) ([]byte, error) {
	buf, err := d.store.Get(rel)
	if err != nil {
		return nil, err
	}
	defer buf.Release()
	head := make([]byte, n)
	got, err := buf.ReadAt(head, 0)
	if got < n && errors.Is(err, errEOF) {
		err = nil
	}
	return head[:got], err
}

// rawLayout types a buffer without header as the operand says.
func rawLayout(ref *kernels.Ref, size int64) (ndarray.Layout, error) {
	if ref.DType == ndarray.Invalid {
		e := ref.Errorf("%s has no NPY header, so it needs a type", ref.Path)
		e.Hint = "write it as " + ref.Path + ":f32:ROWSxCOLS"
		return ndarray.Layout{}, e
	}
	shape := ref.Shape
	if shape == nil {
		if size%int64(ref.DType.Size()) != 0 {
			return ndarray.Layout{}, ref.Errorf("%s holds %d bytes, which is no whole number of %s", ref.Path, size, ref.DType)
		}
		shape = []int{int(size) / ref.DType.Size()}
	}
	if _, err := ndarray.CheckShape(ref.DType, shape); err != nil {
		return ndarray.Layout{}, ref.Errorf("%s: %v", ref.Path, err)
	}
	return ndarray.NewLayout(ref.DType, shape...), nil
}

// findOutput resolves an output's name and describes what is there.
func (b *batch) findOutput(dr *draft, o *kernels.Output) error {
	rel, f, err := b.lookup(&o.Ref, 2)
	if err != nil {
		return err
	}
	dr.outs = append(dr.outs, outDraft{inDraft: inDraft{rel: rel, ref: &o.Ref, file: f.size}})
	if !f.exists {
		if err := b.d.store.MayCreate(b.sub.cred, rel); err != nil {
			return b.d.refError(&o.Ref, err)
		}
		if o.Slice != nil {
			return b.d.refError(&o.Ref, unix.ENOENT)
		}
		return nil
	}
	layout, err := b.typeOf(rel, &o.Ref, f)
	switch {
	case err == nil:
		o.Layout, o.Exists = layout, true
	case o.Slice != nil:
		return err // a part of it is to be written, so its type matters
	}
	return nil
}

// checkOutput fixes how output i of a planned call comes into being.
func (b *batch) checkOutput(dr *draft, i int) error {
	o, spec, out := &dr.call.Out[i], &dr.plan.Out[i], &dr.outs[i]
	for k := range i {
		if dr.outs[k].rel == out.rel {
			return o.Errorf("%s is named twice as an output", o.Path)
		}
	}
	if o.Slice != nil || spec.Reads {
		return b.updateOutput(dr, o, out)
	}
	out.whole = true
	n := ndarray.NewLayout(spec.DType, spec.Shape...)
	if strings.HasSuffix(out.rel, npySuffix) {
		out.header = ndarray.AppendNPY(nil, spec.DType, spec.Shape)
		n.Offset = len(out.header)
	}
	out.layout, out.size = n, int64(n.Offset+n.Bytes())
	var err error
	if out.inPlace, err = b.sameFile(out); err != nil {
		return b.d.refError(&o.Ref, err)
	}
	if out.inPlace && !dr.plan.Alias && b.overlapsInput(dr, out.rel) {
		out.inPlace = false // the inputs keep the old inode
	}
	if !dr.explain {
		b.virtual[out.rel] = &virtual{layout: n, typed: out.header != nil, size: out.size}
	}
	return nil
}

// updateOutput is an output of which only a part is written, or that is read
// first: what exists is used as it is.
func (b *batch) updateOutput(dr *draft, o *kernels.Output, out *outDraft) error {
	if o.Layout.Swapped {
		e := o.Errorf("%s is big-endian and cannot be updated in place", o.Path)
		e.Hint = "copy it to another buffer, which makes it little-endian, and name that one"
		return e
	}
	out.layout, out.inPlace = o.Layout, true
	return b.checkGood(out.rel, &o.Ref, found{virt: b.virtual[out.rel]})
}

// overlapsInput tells whether an output names a buffer that the command reads.
func (b *batch) overlapsInput(dr *draft, rel string) bool {
	return slices.ContainsFunc(dr.ins, func(in inDraft) bool { return in.rel == rel })
}

// sameFile tells whether what is there already has the output's size and
// header, byte for byte, so that the job can write into it.
func (b *batch) sameFile(out *outDraft) (bool, error) {
	v := b.virtual[out.rel]
	st, err := b.d.store.Lstat(out.rel)
	if v == nil && err == nil {
		v = b.d.toBe(st.Ino)
	}
	if v != nil {
		return v.size == out.size && v.typed == (out.header != nil) && v.layout.Offset == out.layout.Offset &&
			v.layout.DType == out.layout.DType && slices.Equal(v.layout.Shape, out.layout.Shape), nil
	}
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil || st.Size != out.size {
		return false, err
	}
	head, err := b.d.readHead(out.rel, len(out.header))
	return bytes.Equal(head, out.header), err
}

// innerLine is the line that explain is asked about.
func innerLine(line *command.Line) (*command.Line, error) {
	rest := line.Text[line.Verb.Span.End:]
	pad := strings.Repeat(" ", line.Verb.Span.End) // keeps the carets in place
	inner, err := command.Parse(pad + rest)
	if err != nil {
		return nil, err
	}
	if inner.Empty() {
		return nil, failf(syscall.EINVAL, line.Verb.Span, "explain gemm a.npy b.npy c.npy", "explain needs a command")
	}
	inner.Text = line.Text
	return inner, nil
}

var errShapeChanged = fmt.Errorf("was resized or overwritten by a client while the job waited: %w", syscall.EIO)
