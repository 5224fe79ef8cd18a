package registry

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// identityOf returns the truth about a holder in canonical spelling: a hash of the fields as they stand.
func identityOf(h *Holder) uint64 {
	sum := uint64(14695981039346656037)
	for _, field := range [...]string{
		h.Name.Family, h.Name.Given, h.Birth.Family, h.Birth.Given, h.BirthPlace, h.Mother.Family, h.Mother.Given,
	} {
		if field == "" {
			return 0
		}
		for i := 0; i < len(field); i++ {
			sum = (sum ^ uint64(field[i])) * 1099511628211
		}
		sum = (sum ^ 0xff) * 1099511628211
	}
	return mix(sum ^ uint64(uint32(h.BirthDate))<<17)
}

// respell returns another spelling that is losslessly equal (SPEC 1.4): letter case, composition, dashes, white space,
// district, country. untitled allows a leading academic title to be left out.
func respell(d *dice, h Holder, untitled bool) Holder {
	style := 1 + d.below(31)
	if untitled && d.chance(0.5) {
		h.Name.Family = strings.TrimPrefix(h.Name.Family, title)
		h.Birth.Family = strings.TrimPrefix(h.Birth.Family, title)
	}
	h.BirthPlace = respellPlace(d, h.BirthPlace)
	if style&1 != 0 {
		h = upper(h)
	}
	if style&2 != 0 {
		h = eachName(h, func(s string) string { return strings.ReplaceAll(s, "-", d.one(dashes)) })
	}
	if style&4 != 0 {
		h = eachName(h, func(s string) string { return strings.ReplaceAll(s, " ", d.one(blanks)) })
	}
	if style&24 == 24 {
		h = eachName(h, decompose)
		h.BirthPlace = decompose(h.BirthPlace)
	}
	return h
}

var (
	dashes = []string{"-", " - ", "\u2010", "\u2011", "\u2013", " \u2013 ", "\u2014"}
	blanks = []string{" ", "  ", "\u00a0"}
)

// title is the academic title, as the registers write it before the family name.
const title = "dr. "

func eachName(h Holder, f func(string) string) Holder {
	for _, s := range [...]*string{
		&h.Name.Family, &h.Name.Given, &h.Birth.Family, &h.Birth.Given, &h.Mother.Family, &h.Mother.Given,
	} {
		*s = f(*s)
	}
	return h
}

func upper(h Holder) Holder {
	h = eachName(h, strings.ToUpper)
	h.BirthPlace = strings.ToUpper(h.BirthPlace)
	return h
}

// respellPlace writes a district in another way, and a country behind a Hungarian town.
func respellPlace(d *dice, place string) string {
	if i := districtOf(place); i >= 0 {
		return districtSpellings[i][d.below(4)]
	}
	if place != capital && !strings.HasSuffix(place, ")") && d.chance(0.3) {
		return place + " (MAGYARORSZÁG)"
	}
	return place
}

// districtOf returns the index of the district that a canonical place is, -1 for other places.
func districtOf(place string) int {
	number, found := strings.CutPrefix(place, capital+" ")
	if !found {
		return -1
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return n - 1
}

// accents are the letters that Unicode can also write as a base letter and a combining mark, and without any mark.
var accents = func() map[rune][2]string {
	m := map[rune][2]string{}
	for mark, pairs := range map[string]string{
		"\u0301": "áaéeíióoúuÁAÉEÍIÓOÚU", "\u0308": "äaöoüuÄAÖOÜU", "\u030b": "őoűuŐOŰU",
	} {
		letters := []rune(pairs)
		for i := 0; i < len(letters); i += 2 {
			m[letters[i]] = [2]string{string(letters[i+1]) + mark, string(letters[i+1])}
		}
	}
	return m
}()

// decompose writes accented letters as base letter and combining mark (Unicode NFD).
func decompose(s string) string { return mapAccents(s, 0, len(s)) }

// mapAccents replaces the first count accented letters by the given form.
func mapAccents(s string, form, count int) string {
	var b strings.Builder
	for _, r := range s {
		if a, found := accents[r]; found && count > 0 {
			b.WriteString(a[form])
			count--
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// misspell makes one error that no lossless normalisation takes back. The result is in canonical spelling: it is
// the identity of nobody.
func misspell(d *dice, h Holder) Holder {
	was := h
	switch d.below(7) {
	case 0: // an accent forgotten
		h.Name.Given = mapAccents(h.Name.Given, 1, 1)
	case 1: // the second given name forgotten
		h.Birth.Given, _, _ = strings.Cut(h.Birth.Given, " ")
	case 2: // a blank in the place of the hyphen
		h.Name.Family = strings.ReplaceAll(h.Name.Family, "-", " ")
	case 3: // the district forgotten
		if districtOf(h.BirthPlace) >= 0 {
			h.BirthPlace = capital
		}
	case 4: // an old spelling modernised
		h.Birth.Family = strings.NewReplacer("Cz", "C", "th", "t", "cz", "c").Replace(h.Birth.Family)
	case 5: // the day after the birthday
		h.BirthDate++
	}
	if h == was {
		h.Mother.Given = swapLetters(h.Mother.Given)
	}
	return h
}

// swapLetters exchanges two neighbouring letters that differ, or doubles the last one.
func swapLetters(s string) string {
	letters := []rune(s)
	for i := 1; i+1 < len(letters); i++ {
		if letters[i] != letters[i+1] {
			letters[i], letters[i+1] = letters[i+1], letters[i]
			return string(letters)
		}
	}
	_, size := utf8.DecodeLastRuneInString(s)
	return s + s[len(s)-size:]
}

// plain writes a name in the letters of an e-mail address.
func plain(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if a, found := accents[r]; found {
			r = rune(a[1][0])
		}
		switch {
		case r >= 'A' && r <= 'Z':
			b = append(b, byte(r-'A'+'a'))
		case r >= 'a' && r <= 'z':
			b = append(b, byte(r))
		}
	}
	return string(b)
}
