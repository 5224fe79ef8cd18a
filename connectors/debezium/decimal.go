package debezium

import (
	"encoding/base64"
	"math/big"
	"strconv"
)

// decimalNames are the fields of io.debezium.data.VariableScaleDecimal.
var decimalNames = newNames("scale", "value")

const (
	dScale = iota
	dValue
)

// decimals writes out the decimals of Kafka Connect: unscaled values in big-endian two's complement.
type decimals struct {
	parts *plan
	bytes [MaxDecimalBytes + 3]byte
}

func newDecimals() decimals { return decimals{parts: newPlan(decimalNames)} }

// appendBase64 appends the plain text of a decimal of fixed scale, as JSON carries it: a base64 string.
func (d *decimals) appendBase64(dst []byte, v cell, scale int) ([]byte, bool) {
	if !v.is('"') || v.esc || scale < -MaxDecimalScale || scale > MaxDecimalScale {
		return dst, false
	}
	in := v.inner()
	if len(in) == 0 || base64.StdEncoding.DecodedLen(len(in)) > len(d.bytes) {
		return dst, false
	}
	n, err := base64.StdEncoding.Decode(d.bytes[:], in)
	if err != nil || n == 0 || n > MaxDecimalBytes {
		return dst, false
	}
	return appendDecimal(dst, d.bytes[:n], scale), true
}

// appendVariable appends the plain text of {"scale":…,"value":…}; false where the object is no such decimal.
func (d *decimals) appendVariable(dst []byte, v cell) ([]byte, bool) {
	s := scanner{b: v.raw}
	if !v.is('{') || s.scan(0, d.parts, 0) < 0 || d.parts.fields != 2 {
		return dst, false
	}
	scale, ok := parseInt(s.cell(d.parts, dScale).raw)
	if !ok || scale < -MaxDecimalScale || scale > MaxDecimalScale {
		return dst, false
	}
	return d.appendBase64(dst, s.cell(d.parts, dValue), int(scale))
}

func appendDecimal(dst, unscaled []byte, scale int) []byte {
	if unscaled[0]&0x80 != 0 {
		dst = append(dst, '-')
	}
	start := len(dst)
	dst = appendMagnitude(dst, unscaled)
	digits := len(dst) - start
	if scale <= 0 {
		if dst[start] == '0' {
			return dst
		}
		for range -scale {
			dst = append(dst, '0')
		}
		return dst
	}
	zeros := max(0, scale+1-digits)
	// One place for the point and the missing zeros, then shift the digits behind them.
	for range zeros + 1 {
		dst = append(dst, '0')
	}
	copy(dst[start+zeros:], dst[start:start+digits])
	for i := range zeros {
		dst[start+i] = '0'
	}
	point := len(dst) - 1 - scale
	copy(dst[point+1:], dst[point:len(dst)-1])
	dst[point] = '.'
	return dst
}

// appendMagnitude appends the digits of a number in two's complement, without its sign.
func appendMagnitude(dst, b []byte) []byte {
	if len(b) > 8 {
		n := new(big.Int).SetBytes(b)
		if b[0]&0x80 != 0 {
			n.Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))), n)
		}
		return n.Append(dst, 10)
	}
	n := int64(int8(b[0]))
	for _, c := range b[1:] {
		n = n<<8 | int64(c)
	}
	if n < 0 {
		return strconv.AppendUint(dst, -uint64(n), 10)
	}
	return strconv.AppendUint(dst, uint64(n), 10)
}

// wholePart cuts a fraction of zeros off a decimal's plain text.
func wholePart(b []byte) []byte {
	for i, c := range b {
		if c != '.' {
			continue
		}
		for _, f := range b[i+1:] {
			if f != '0' {
				return b
			}
		}
		return b[:i]
	}
	return b
}
