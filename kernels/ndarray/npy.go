package ndarray

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The NPY format: https://numpy.org/neps/nep-0001-npy-format.html and
// numpy.lib.format. A file is the magic, the version (two bytes), the
// header's length (2 bytes, from version 2 on 4, little-endian), the header
// (a Python dict literal), and the elements.

const (
	npyMagic = "\x93NUMPY"
	npyAlign = 64 // the elements begin at a multiple of it
	// npyMaxHeader bounds the header that is read. numpy's own bound is 10 kB
	// for files that it does not trust.
	npyMaxHeader = 1 << 20
	// npyGrowDigits is how many digits numpy leaves room for in the axis that
	// grows when a file is appended to.
	npyGrowDigits = 21
)

// ErrNotNPY says that a file does not begin with the NPY magic.
var ErrNotNPY = errors.New("not an NPY file")

// ShortError says that the first Need bytes of the file are needed, which then
// may call for more: a header is read in at most three attempts. If there are
// not as many, the file is truncated.
type ShortError struct{ Need int }

// Error speaks to whoever has the whole file: for them it is truncated.
func (e *ShortError) Error() string {
	return fmt.Sprintf("truncated NPY header: %d bytes are needed", e.Need)
}

// ParseNPY reads the header of an NPY file of version 1, 2 or 3. b is the
// file or its beginning; that the elements are all there is not checked: they
// end at Offset+Bytes() of the layout.
//
// Fortran order gives Fortran strides, big-endian types set Swapped, and the
// void type of two bytes is BF16. The error is [ErrNotNPY], a *[ShortError],
// or says what is wrong with the header.
func ParseNPY(b []byte) (Layout, error) {
	text, start, err := npyHeader(b)
	if err != nil {
		return Layout{}, err
	}
	h, err := parseNPYDict(text)
	if err != nil {
		return Layout{}, fmt.Errorf("NPY header: %w", err)
	}
	d, swapped, err := parseDescr(h.descr)
	if err != nil {
		return Layout{}, fmt.Errorf("NPY header: %w", err)
	}
	n, err := CheckShape(d, h.shape)
	if err == nil && n*d.Size() > math.MaxInt-start {
		err = ErrTooLarge
	}
	if err != nil {
		return Layout{}, fmt.Errorf("NPY header: %w", err)
	}
	l := Layout{DType: d, Shape: h.shape, Offset: start, Swapped: swapped}
	if h.fortran {
		l.Strides = FStrides(d, h.shape)
	} else {
		l.Strides = CStrides(d, h.shape)
	}
	return l, nil
}

// npyHeader finds the header's text and where the elements begin. A file
// shorter than the magic is no NPY file unless it is a beginning of it: then it
// is short.
func npyHeader(b []byte) (text string, start int, err error) {
	if n := min(len(b), len(npyMagic)); n == 0 || string(b[:n]) != npyMagic[:n] {
		return "", 0, ErrNotNPY
	}
	if len(b) < 10 {
		return "", 0, &ShortError{10}
	}
	var size int
	switch major, minor := b[6], b[7]; {
	case minor != 0 || major < 1 || major > 3:
		return "", 0, fmt.Errorf("NPY version %d.%d is not known: 1.0, 2.0 and 3.0 are", major, minor)
	case major == 1:
		start, size = 10, int(binary.LittleEndian.Uint16(b[8:]))
	case len(b) < 12:
		return "", 0, &ShortError{12}
	default:
		n := binary.LittleEndian.Uint32(b[8:])
		if n > npyMaxHeader {
			return "", 0, fmt.Errorf("NPY header of %d bytes, at most %d are read", n, npyMaxHeader)
		}
		start, size = 12, int(n)
	}
	if len(b) < start+size {
		return "", 0, &ShortError{start + size}
	}
	return string(b[start : start+size]), start + size, nil
}

// parseDescr reads a type such as "<f4". Without a byte order, or with '=' or
// '|', the order is little-endian.
func parseDescr(s string) (d DType, swapped bool, err error) {
	kind := s
	if s != "" && strings.IndexByte("<>=|", s[0]) >= 0 {
		swapped, kind = s[0] == '>', s[1:]
	}
	switch {
	case kind == "?":
		return Bool, false, nil
	case strings.HasPrefix(kind, "O"):
		return Invalid, false, errors.New("the elements are Python objects: only numeric types can be read")
	}
	for _, d := range DTypes {
		if dtypeTable[d].descr[1:] == kind {
			return d, swapped && d.Size() > 1, nil
		}
	}
	return Invalid, false, fmt.Errorf("type %q is not supported: only b1, i1-i8, u1-u8, f2-f8, c8, c16 and V2 (bf16) are", clip(s))
}

// clip keeps messages about hostile headers short.
func clip(s string) string {
	if len(s) > 32 {
		return s[:32] + "..."
	}
	return s
}

// AppendNPY appends the header of an NPY file with C-ordered elements, byte
// for byte as numpy.save writes it: version 1.0, or 2.0 if the header needs it.
// The shape must pass [CheckShape].
func AppendNPY(dst []byte, d DType, shape []int) []byte {
	dict, version := npyDict(d, shape)
	start := npyStart(len(dict), version)
	dst = append(dst, npyMagic...)
	dst = append(dst, version, 0)
	if version == 1 {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(start-10))
	} else {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(start-12))
	}
	end := len(dst) + start - len(npyMagic) - 2 - 2*int(version)
	dst = append(dst, dict...)
	dst = append(dst, strings.Repeat(" ", end-len(dst)-1)...)
	return append(dst, '\n')
}

// npyStart is where the elements begin: always at least one byte of padding and
// the newline after the dict, as numpy has it. dict is its length; versions
// have 2 and 4 bytes for the header's, which is what 2·version is.
func npyStart(dict int, version byte) int {
	n := len(npyMagic) + 2 + 2*int(version) + dict + 1
	return n + npyAlign - n%npyAlign
}

// npyDict is the header's dict as numpy prints it, with the blanks that let
// the first axis grow in place to any length, and the version that can hold
// it.
func npyDict(d DType, shape []int) (dict string, version byte) {
	parts := make([]string, len(shape))
	for i, s := range shape {
		parts[i] = strconv.Itoa(s)
	}
	tuple, room := strings.Join(parts, ", "), 0
	if len(parts) > 0 {
		room = max(npyGrowDigits-len(parts[0]), 0)
	}
	if len(parts) == 1 {
		tuple += ","
	}
	dict = fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }%s",
		dtypeTable[d].descr, tuple, strings.Repeat(" ", room))
	if npyStart(len(dict), 1)-10 > math.MaxUint16 {
		return dict, 2
	}
	return dict, 1
}

// npyDictFields is what the header's dict says, unchecked.
type npyDictFields struct {
	descr   string
	fortran bool
	shape   []int
}

// parseNPYDict reads the dict: the three keys in any order, each once. It is a
// parser of its own, not an evaluator: the text is anybody's, and may be
// hostile. It takes O(len(text)) time.
func parseNPYDict(text string) (h npyDictFields, err error) {
	p := literalParser{text: text}
	if !p.eat('{') {
		return h, errors.New("it is not a dict")
	}
	var seen []string
	for !p.eat('}') {
		key, ok := p.str()
		if !ok || !p.eat(':') {
			return h, fmt.Errorf("a key is expected at byte %d", p.pos)
		}
		if slices.Contains(seen, key) {
			return h, fmt.Errorf("key %q is there twice", clip(key))
		}
		seen = append(seen, key)
		switch key {
		case "descr":
			h.descr, err = p.descr()
		case "fortran_order":
			h.fortran, err = p.boolean()
		case "shape":
			h.shape, err = p.shape()
		default:
			err = fmt.Errorf("key %q is not known", clip(key))
		}
		if err != nil {
			return h, err
		}
		if !p.eat(',') && p.peek() != '}' {
			return h, fmt.Errorf("a comma or } is expected at byte %d", p.pos)
		}
	}
	if p.peek(); p.pos < len(p.text) {
		return h, fmt.Errorf("text after the dict at byte %d", p.pos)
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !slices.Contains(seen, key) {
			return h, fmt.Errorf("key %q is missing", key)
		}
	}
	return h, nil
}

// literalParser reads the few Python literals that headers are made of. Its
// methods skip blanks first, and leave pos behind what they took.
type literalParser struct {
	text string
	pos  int
}

// peek is the next byte that is no blank, or 0 at the end.
func (p *literalParser) peek() byte {
	for p.pos < len(p.text) && strings.IndexByte(" \t\n\r", p.text[p.pos]) >= 0 {
		p.pos++
	}
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

// eat takes the byte c, after blanks, if it is next.
func (p *literalParser) eat(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

// str reads a string without escapes.
func (p *literalParser) str() (string, bool) {
	q := p.peek()
	if q != '\'' && q != '"' {
		return "", false
	}
	n := strings.IndexByte(p.text[p.pos+1:], q)
	if n < 0 {
		return "", false
	}
	s := p.text[p.pos+1 : p.pos+1+n]
	p.pos += n + 2
	return s, true
}

// descr reads the type. Structured ones are lists or dicts, and deserve a
// message that says so.
func (p *literalParser) descr() (string, error) {
	if c := p.peek(); c == '[' || c == '(' || c == '{' {
		return "", errors.New("the elements are records (a structured dtype): only numeric types can be read")
	}
	s, ok := p.str()
	if !ok {
		return "", errors.New("descr is not a string")
	}
	return s, nil
}

// boolean reads True or False. Whatever follows is for the caller to refuse.
func (p *literalParser) boolean() (bool, error) {
	p.peek()
	for _, word := range []string{"True", "False"} {
		if strings.HasPrefix(p.text[p.pos:], word) {
			p.pos += len(word)
			return word == "True", nil
		}
	}
	return false, errors.New("fortran_order is neither True nor False")
}

// shape reads a tuple of integers; Python 2 wrote some with an L.
func (p *literalParser) shape() ([]int, error) {
	if !p.eat('(') {
		return nil, errors.New("shape is not a tuple")
	}
	shape := []int{}
	for !p.eat(')') {
		p.peek()
		n := p.pos
		for n < len(p.text) && p.text[n] >= '0' && p.text[n] <= '9' {
			n++
		}
		v, err := strconv.Atoi(p.text[p.pos:n])
		if err != nil {
			return nil, fmt.Errorf("shape has %q where an extent is expected", clip(p.text[p.pos:max(n, min(p.pos+1, len(p.text)))]))
		}
		p.pos = n
		p.eat('L')
		shape = append(shape, v)
		switch comma := p.eat(','); {
		case comma:
		case p.peek() != ')':
			return nil, fmt.Errorf("a comma or ) is expected at byte %d", p.pos)
		case len(shape) == 1:
			return nil, errors.New("shape is an integer in parentheses, not a tuple")
		}
	}
	return shape, nil
}
