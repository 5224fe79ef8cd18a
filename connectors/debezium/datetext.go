package debezium

// ofText reads a date written as text.
func ofText(enc encoding, b []byte) (moment, string) {
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	switch enc {
	case yyyymmdd:
		if n, ok := digits(b); ok && len(b) == 8 {
			return ofDigits(int64(n))
		}
		return moment{}, notADate
	case dayFirst:
		if len(b) == 10 && b[2] == '.' && b[5] == '.' {
			return ofParts(b[6:10], b[3:5], b[0:2])
		}
		return moment{}, notADate
	case yearFirst:
		if len(b) == 11 && b[10] == '.' {
			b = b[:10]
		}
		if len(b) == 10 && b[4] == '.' && b[7] == '.' {
			return ofParts(b[0:4], b[5:7], b[8:10])
		}
		return moment{}, notADate
	}
	m, reason := ofISO(b)
	if enc == isoLocal && m.frame == offset {
		m.frame = wall
	}
	return m, reason
}

// ofISO reads an ISO 8601 date, with or without a time of day and an offset, as Debezium and the databases write it.
func ofISO(b []byte) (moment, string) {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-' || b[0] == 'i') {
		return ofFarISO(b)
	}
	if len(b) < 10 || b[4] != '-' || b[7] != '-' {
		return moment{}, notADate
	}
	m, reason := ofParts(b[0:4], b[5:7], b[8:10])
	if reason != "" {
		return m, reason
	}
	b = b[10:]
	if len(b) == 0 || len(b) == 1 && (b[0] == 'Z' || b[0] == 'z') {
		return m, ""
	}
	if b[0] != 'T' && b[0] != 't' && b[0] != ' ' {
		return moment{}, notADate
	}
	if b = m.clock(b[1:]); b == nil || !m.zone(b) {
		return moment{}, notADate
	}
	return m, ""
}

// ofFarISO reads infinity, and years of more than four digits: those are infinity too, or out of range.
func ofFarISO(b []byte) (moment, string) {
	date := b
	for i, c := range b {
		if c == 'T' || c == 'Z' || c == ' ' {
			date = b[:i]
			break
		}
	}
	if is := boundOfWord(date); is != finite {
		return moment{is: is}, ""
	}
	if _, ok := digits(date[1:min(len(date), 2)]); !ok {
		return moment{}, notADate
	}
	return moment{}, outOfRange
}

// clock reads hh:mm, hh:mm:ss or hh:mm:ss.fff… and returns what follows; nil where it is no time of day.
func (m *moment) clock(b []byte) []byte {
	if len(b) < 5 || b[2] != ':' {
		return nil
	}
	hour, ok1 := digits(b[0:2])
	minute, ok2 := digits(b[3:5])
	second, ok3 := 0, true
	b = b[5:]
	if len(b) >= 3 && b[0] == ':' {
		second, ok3 = digits(b[1:3])
		b = b[3:]
		if len(b) > 1 && (b[0] == '.' || b[0] == ',') {
			n, unit := 1, int32(1e8)
			for ; n < len(b) && b[n]-'0' <= 9; n++ {
				m.nano += int32(b[n]-'0') * unit // digits beyond the ninth count for nothing
				unit /= 10
			}
			if n == 1 {
				return nil
			}
			b = b[n:]
		}
	}
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 59 {
		return nil
	}
	m.second = int32(hour*3600 + minute*60 + second)
	m.frame = wall
	return b
}

// zone reads nothing, Z, ±hh, ±hhmm, ±hh:mm or ±hh:mm:ss.
func (m *moment) zone(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	m.frame = offset
	if b[0] == 'Z' || b[0] == 'z' {
		return len(b) == 1
	}
	if b[0] != '+' && b[0] != '-' {
		return false
	}
	negative := b[0] == '-'
	unit := 3600
	for b = b[1:]; len(b) > 0 && unit > 0; unit /= 60 {
		if len(b) < 2 {
			return false
		}
		n, ok := digits(b[:2])
		if !ok || n > 59 || unit == 3600 && n > 18 {
			return false
		}
		m.offset += int32(n * unit)
		if b = b[2:]; len(b) > 1 && b[0] == ':' {
			b = b[1:]
		}
	}
	if negative {
		m.offset = -m.offset
	}
	return len(b) == 0 && unit < 3600
}

func ofParts(year, month, day []byte) (moment, string) {
	y, ok1 := digits(year)
	m, ok2 := digits(month)
	d, ok3 := digits(day)
	if !ok1 || !ok2 || !ok3 {
		return moment{}, notADate
	}
	return ofCivil(y, m, d)
}

// digits reads a short row of digits.
func digits(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, len(b) > 0 && len(b) <= 9
}
