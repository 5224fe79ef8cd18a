package identity_test

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"lejarat/processor/identity"
)

// Each rule of SPEC 1.4 with the texts that it makes equal (want is their common form).
var equalTexts = []struct {
	rule  string
	field identity.Field
	o     identity.Options
	want  string
	texts []string
}{
	{"plain", identity.Name, identity.Options{}, "kovács anna", []string{"Kovács Anna", "KOVÁCS ANNA", "kovács anna", "kOVÁCS aNNA"}},
	{"case of every Hungarian letter", identity.Name, identity.Options{}, "árvíztűrő tükörfúrógép",
		[]string{"ÁRVÍZTŰRŐ TÜKÖRFÚRÓGÉP", "Árvíztűrő Tükörfúrógép"}},
	{"case: I is i, never the Turkish ı", identity.Name, identity.Options{}, "ilona", []string{"ILONA", "Ilona"}},
	{"case of foreign letters", identity.Name, identity.Options{}, "łukasz ærø ñandú", []string{"ŁUKASZ ÆRØ ÑANDÚ", "Łukasz Ærø Ñandú"}},
	{"case: final sigma", identity.Name, identity.Options{}, "γιώργοσ", []string{"ΓΙΏΡΓΟΣ", "Γιώργος", "γιώργοσ"}},
	{"case: capital sharp s", identity.Name, identity.Options{}, "groß", []string{"GROẞ", "Groß"}},
	{"NFC", identity.Name, identity.Options{}, "kovács győző", []string{"Kova\u0301cs Gyo\u030Bzo\u030B", "KOVA\u0301CS GYO\u030BZO\u030B", "Kovács Győző"}},
	{"NFC: order of accents", identity.Name, identity.Options{}, "ệ", []string{"e\u0302\u0323", "e\u0323\u0302", "Ệ"}},
	{"NFC: a letter composed in lower case only", identity.Name, identity.Options{}, "ǰ", []string{"J\u030C", "j\u030C", "ǰ"}},
	{"white space", identity.Name, identity.Options{}, "kovács anna",
		[]string{"  Kovács   Anna ", "Kovács\u00A0Anna", "Kovács\tAnna\r\n", "\u2003Kovács \u202F\u2009 Anna\u3000", "Kovács\u2028Anna", "Kovács\u0085Anna"}},
	{"invisible characters", identity.Name, identity.Options{}, "kovács anna",
		[]string{"Ko\u00ADvács Anna", "\uFEFFKovács Anna", "Kovács\u200B Anna", "Kova\u200D\u0301cs Anna", "\u200EKovács\u2060 Anna\u200F"}},
	{"dashes", identity.Name, identity.Options{}, "kiss-nagy éva",
		[]string{"Kiss-Nagy Éva", "Kiss\u2010Nagy Éva", "Kiss\u2011Nagy Éva", "Kiss\u2012Nagy Éva", "Kiss–Nagy Éva", "Kiss—Nagy Éva", "Kiss\u2015Nagy Éva",
			"Kiss\u2212Nagy Éva", "Kiss\uFE58Nagy Éva", "Kiss\uFE63Nagy Éva", "Kiss\uFF0DNagy Éva",
			"Kiss - Nagy Éva", "Kiss -Nagy Éva", "Kiss- Nagy Éva", "KISS\u00A0–\u00A0NAGY  Éva"}},
	{"dashes in a date", identity.BirthDate, identity.Options{}, "1970-01-31", []string{"1970-01-31", " 1970-01-31 ", "1970–01–31"}},
	{"title", identity.Name, identity.Options{DropTitle: true}, "kovács anna",
		[]string{"dr. Kovács Anna", "Dr. Kovács Anna", "DR. KOVÁCS ANNA", "dr Kovács Anna", "Dr.Kovács Anna", "dr . Kovács Anna", "dr. Dr. Kovács Anna", "Kovács Anna"}},
	{"title at birth", identity.BirthName, identity.Options{DropTitle: true}, "tóth éva", []string{"dr. Tóth Éva", "Tóth Éva"}},
	{"title of the mother", identity.MotherName, identity.Options{DropTitle: true}, "tóth éva", []string{"dr Tóth Éva", "Tóth Éva"}},
	{"damaged", identity.Name, identity.Options{Damaged: true}, "győző fűtő", []string{"Gyõzõ Fûtõ", "GYÕZÕ FÛTÕ", "Győző Fűtő", "Gyo\u0303zo\u0303 Fu\u0302to\u0303"}},
	{"damaged place", identity.BirthPlace, identity.Options{Damaged: true}, "győr", []string{"GYÕR", "Győr"}},
	{"country", identity.BirthPlace, identity.Options{}, "debrecen",
		[]string{"DEBRECEN (MAGYARORSZÁG)", "Debrecen (Magyarország)", "Debrecen(Magyarország)", "Debrecen  (MAGYARORSZA\u0301G) ", "Debrecen"}},
	{"district 7", identity.BirthPlace, identity.Options{}, "budapest 07",
		[]string{"BUDAPEST 07", "Budapest VII.", "Budapest VII. kerület", "Budapest, VII. ker.", "Budapest 7", "Budapest 7. kerület", "budapest vii", "Budapest VII",
			"Budapest, 7. ker", "Budapest 07.", "Budapest VII.ker.", "Budapest VII.kerület", "Budapest,VII", "Budapest VII kerület", "BUDAPEST\u00A0VII. KERÜLET",
			"BUDAPEST 07 (MAGYARORSZÁG)", "Budapest , 7"}},
	{"district 1", identity.BirthPlace, identity.Options{}, "budapest 01", []string{"BUDAPEST 01", "Budapest I.", "Budapest 1. kerület"}},
	{"district 23", identity.BirthPlace, identity.Options{}, "budapest 23", []string{"BUDAPEST 23", "Budapest XXIII. kerület"}},
	{"bare Budapest", identity.BirthPlace, identity.Options{}, "budapest", []string{"BUDAPEST", "Budapest (Magyarország)"}},
	{"says nothing", identity.MotherName, identity.Options{}, "", []string{"", " ", "-", " – ", "()", "...", "\u00A0", "\u200B", "\u0301"}},
	{"cannot be read", identity.Name, identity.Options{}, "", []string{"Kov\xe1cs Anna", "Kov\uFFFDcs Anna", "\xff"}},
	{"only a title", identity.Name, identity.Options{DropTitle: true}, "", []string{"dr.", "Dr. dr."}},
	{"only a country", identity.BirthPlace, identity.Options{}, "", []string{"(Magyarország)"}},
}

func TestNormaliseEqual(t *testing.T) {
	for _, c := range equalTexts {
		for _, text := range c.texts {
			if got := identity.Normalise(c.field, text, c.o); got != c.want {
				t.Errorf("%s: %s %q becomes %q, want %q", c.rule, c.field, text, got, c.want)
			}
		}
	}
}

// Texts that no rule may make equal (SPEC 1.4, not folded).
var distinctTexts = []struct {
	rule  string
	field identity.Field
	o     identity.Options
	texts []string
}{
	{"accents", identity.Name, identity.Options{}, []string{"Kovács", "Kovacs"}},
	{"accents", identity.Name, identity.Options{}, []string{"Török", "Törők", "Torok", "Tõrõk"}},
	{"accents of capitals", identity.Name, identity.Options{}, []string{"Ilona", "İlona", "ılona"}},
	{"old spellings", identity.Name, identity.Options{}, []string{"Cukor", "Czukor"}},
	{"old spellings", identity.Name, identity.Options{}, []string{"Tót", "Tóth"}},
	{"old spellings", identity.Name, identity.Options{}, []string{"Kis", "Kiss", "Kiß"}},
	{"old spellings", identity.Name, identity.Options{}, []string{"Batthyány", "Battyányi", "Batthyáni"}},
	{"hyphen against blank", identity.Name, identity.Options{}, []string{"Kiss-Nagy Éva", "Kiss Nagy Éva", "Kissnagy Éva"}},
	{"two dashes", identity.Name, identity.Options{}, []string{"Kiss-Nagy", "Kiss--Nagy"}},
	{"-né", identity.Name, identity.Options{}, []string{"Kovács Béláné", "Kovácsné", "Kovács Béla", "Kovácsné Tóth Anna", "Kovács Béláné Tóth Anna"}},
	{"second given name", identity.Name, identity.Options{}, []string{"Kovács Anna", "Kovács Anna Mária"}},
	{"title not configured", identity.Name, identity.Options{}, []string{"dr. Kovács Anna", "Kovács Anna"}},
	{"no title", identity.Name, identity.Options{DropTitle: true}, []string{"Drágos Anna", "ágos Anna", "Dr-ágos Anna"}},
	{"title inside", identity.Name, identity.Options{DropTitle: true}, []string{"Kovácsné dr. Tóth Anna", "Kovácsné Tóth Anna"}},
	{"not a title", identity.Name, identity.Options{DropTitle: true}, []string{"Dr", "D. R."}},
	{"other titles", identity.Name, identity.Options{DropTitle: true}, []string{"ifj. Kovács", "Kovács"}},
	{"title of a place", identity.BirthPlace, identity.Options{DropTitle: true}, []string{"dr. Falva", "Falva"}},
	{"not damaged", identity.Name, identity.Options{}, []string{"Gyõzõ", "Győző"}},
	{"not damaged", identity.Name, identity.Options{}, []string{"Fûtő", "Fűtő"}},
	{"damaged: nothing else", identity.Name, identity.Options{Damaged: true}, []string{"Jôzsef", "Jőzsef", "Jözsef", "József", "Jozsef"}},
	{"districts", identity.BirthPlace, identity.Options{}, []string{"Budapest", "Budapest I.", "Budapest II.", "Budapest 11", "Budapest 21", "Budapest 12."}},
	{"no districts", identity.BirthPlace, identity.Options{}, []string{"Budapest 0", "Budapest 00", "Budapest 24", "Budapest 007", "Budapest XXIV.", "Budapest IIII.",
		"Budapest 7 8", "Budapest 7. szám", "Budapest-7", "Budapest7", "Budapest VII. kerulet", "Budapestvii.", "Budapest,", "Budapest 7a", "Budapest kerület", "Budapest 07"}},
	{"villages", identity.BirthPlace, identity.Options{}, []string{"Pest 7", "Budapest 7", "Budakeszi 7", "Kisbudapest 7"}},
	{"districts elsewhere than places", identity.Name, identity.Options{}, []string{"Budapest 07", "Budapest VII.", "Budapest 7"}},
	{"foreign countries", identity.BirthPlace, identity.Options{}, []string{"Komárom", "Komárno", "Komárom (Szlovákia)", "Komárom (Csehszlovákia)"}},
	{"foreign names", identity.BirthPlace, identity.Options{}, []string{"Temesvár", "Timișoara", "Timişoara", "Timisoara", "Temesvár (Románia)", "Timișoara (Temesvár)"}},
	{"country without accent", identity.BirthPlace, identity.Options{}, []string{"Debrecen (Magyarorszag)", "Debrecen"}},
	{"country inside", identity.BirthPlace, identity.Options{}, []string{"(Magyarország) Debrecen", "Debrecen"}},
	{"country of a name", identity.Name, identity.Options{}, []string{"Kiss (Magyarország)", "Kiss"}},
	{"dates", identity.BirthDate, identity.Options{}, []string{"1970-01-31", "1970-01-30", "1970.01.31", "19700131"}},
}

func TestNormaliseDistinct(t *testing.T) {
	for _, c := range distinctTexts {
		seen := make(map[string]string)
		for _, text := range c.texts {
			got := identity.Normalise(c.field, text, c.o)
			if got == "" {
				t.Errorf("%s: %q becomes nothing", c.rule, text)
			}
			if other, ok := seen[got]; ok {
				t.Errorf("%s: %q and %q both become %q", c.rule, text, other, got)
			}
			seen[got] = text
		}
	}
}

func TestEveryDistrict(t *testing.T) {
	romans := strings.Fields("I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX XXI XXII XXIII")
	seen := map[string]bool{}
	for i, roman := range romans {
		arabic := string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
		want := identity.Normalise(identity.BirthPlace, "BUDAPEST "+arabic, identity.Options{})
		for _, number := range []string{roman, roman + ".", arabic, strings.TrimPrefix(arabic, "0"), strings.TrimPrefix(arabic, "0") + "."} {
			for _, before := range []string{"Budapest ", "BUDAPEST, "} {
				for _, after := range []string{"", " kerület", " ker.", " KER"} {
					if got := identity.Normalise(identity.BirthPlace, before+number+after, identity.Options{}); got != want {
						t.Errorf("%q becomes %q, want %q", before+number+after, got, want)
					}
				}
			}
		}
		if seen[want] {
			t.Errorf("two districts are %q", want)
		}
		seen[want] = true
	}
}

// Letter by letter the fold is what x/text does for Hungarian, but for the final sigma, and it is done in one pass.
func TestLowerCaseIsHungarian(t *testing.T) {
	lower := cases.Lower(language.Hungarian)
	for r := rune(1); r <= unicode.MaxRune; r++ {
		s := string(r)
		if !unicode.IsLetter(r) || r == unicode.ReplacementChar || r == 'ς' {
			continue
		}
		want := norm.NFC.String(lower.String(norm.NFC.String(s)))
		if got := identity.Normalise(identity.Name, s, identity.Options{}); got != want {
			t.Errorf("%U %q becomes %q, want %q", r, s, got, want)
		}
	}
}

// pieces are what random texts are made of: everything that some rule looks at, so that rules meet.
var pieces = strings.Split("a|A|Á|á|o|O|u|U|Õ|õ|Û|û|ő|İ|I|i|J|H|Σ|ς|K|Å|ß|ẞ|ǅ|dr|Dr.|dr.|DR|.|,|(|)|(Magyarország)|(MAGYARORSZÁG)|Budapest|BUDAPEST|VII|vii.|07|7|23|24|"+
	"kerület|ker.| |  |\t|\u00A0|\u2009|\u3000|\u0085|-|–|\u2011|\u2212|\uFF0D|\u00AD|\u200B|\u200D|\u2060|\uFEFF|\u0301|\u0303|\u0302|\u030B|\u0308|\u0323|\u0331|\u030C|\u0307|\u034F|"+
	"\xff|\xc3|\xa1|\u1100|\u1161|\uAC00|\u0F71|\u0F72|\u2126|\u212A|\u1E9B|\U0001D15E|\uFB1D|9|ａ", "|")

func anyText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), "")
	})
}

func anyOptions(t *rapid.T) identity.Options {
	return identity.Options{DropTitle: rapid.Bool().Draw(t, "title"), Damaged: rapid.Bool().Draw(t, "damaged")}
}

func checkNormalised(t interface {
	Helper()
	Fatalf(string, ...any)
}, f identity.Field, text string, o identity.Options) {
	t.Helper()
	once := identity.Normalise(f, text, o)
	if twice := identity.Normalise(f, once, o); twice != once {
		t.Fatalf("%s %q becomes %q, and that becomes %q", f, text, once, twice)
	}
	if !norm.NFC.IsNormalString(once) {
		t.Fatalf("%s %q becomes %q, which is not NFC", f, text, once)
	}
	for _, bad := range []string{"  ", " -", "- ", "\u00A0", "–"} {
		if strings.Contains(once, bad) {
			t.Fatalf("%s %q becomes %q with %q in it", f, text, once, bad)
		}
	}
	if strings.TrimSpace(once) != once {
		t.Fatalf("%s %q becomes %q, not trimmed", f, text, once)
	}
}

func TestNormaliseIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := identity.Field(rapid.IntRange(0, identity.Fields-1).Draw(t, "field"))
		text := rapid.OneOf(anyText(), rapid.String()).Draw(t, "text")
		checkNormalised(t, f, text, anyOptions(t))
	})
}

// A text means the same in NFD and NFC, in capitals, with more blanks, with other dashes.
func TestNormaliseIgnoresHowATextIsWritten(t *testing.T) {
	letters := rapid.StringOfN(rapid.RuneFrom([]rune("aábcdeéfghiíjklmnoóöőprstuúüűvzAÁÉÍÓÖŐÚÜŰ-. ")), 0, 30, -1)
	rapid.Check(t, func(t *rapid.T) {
		f := identity.Field(rapid.IntRange(0, identity.Fields-1).Draw(t, "field"))
		o, text := anyOptions(t), letters.Draw(t, "text")
		want := identity.Normalise(f, text, o)
		for _, same := range []string{
			norm.NFD.String(text), strings.ToUpper(text), norm.NFD.String(strings.ToUpper(text)), " " + strings.ReplaceAll(text, " ", "\u00A0 ") + "\n",
			strings.ReplaceAll(text, "-", " – "),
		} {
			if got := identity.Normalise(f, same, o); got != want {
				t.Fatalf("%q becomes %q, %q becomes %q", text, want, same, got)
			}
		}
	})
}

// More accents on one letter than the stream-safe format allows (30).
func TestNormaliseTakesAnyNumberOfAccents(t *testing.T) {
	for n := range 100 {
		for _, marks := range []string{"\u0301", "\u0323", "\u0323\u0301", "\u0301\u0323", "\u0331\u00AD", " \u0301"} {
			for f := range identity.Field(identity.Fields) {
				checkNormalised(t, f, "H"+strings.Repeat(marks, n)+"-dr. O", identity.Options{DropTitle: true, Damaged: true})
			}
		}
	}
}

func FuzzNormalise(f *testing.F) {
	for _, c := range equalTexts {
		for _, text := range c.texts {
			f.Add(uint8(c.field), text, c.o.DropTitle, c.o.Damaged)
		}
	}
	f.Fuzz(func(t *testing.T, field uint8, text string, title, damaged bool) {
		checkNormalised(t, identity.Field(field), text, identity.Options{DropTitle: title, Damaged: damaged})
	})
}
