package registry

// cities are places of birth in Hungary, the frequent ones first.
var cities = []string{
	"Debrecen", "Miskolc", "Szeged", "Pécs", "Győr", "Nyíregyháza", "Kecskemét", "Székesfehérvár", "Szombathely", "Szolnok",
	"Tatabánya", "Kaposvár", "Békéscsaba", "Zalaegerszeg", "Veszprém", "Eger", "Sopron", "Nagykanizsa", "Dunaújváros",
	"Hódmezővásárhely", "Salgótarján", "Cegléd", "Ózd", "Baja", "Vác", "Mosonmagyaróvár", "Szekszárd", "Gyöngyös", "Pápa",
	"Gyula", "Hajdúböszörmény", "Esztergom", "Kiskunfélegyháza", "Ajka", "Orosháza", "Jászberény", "Kazincbarcika", "Szentes",
	"Kiskunhalas", "Siófok", "Komárom", "Tata", "Makó", "Hajdúszoboszló", "Karcag", "Várpalota", "Hatvan", "Keszthely", "Paks",
	"Dombóvár", "Mohács", "Kisvárda", "Balassagyarmat", "Mátészalka", "Mezőkövesd", "Törökszentmiklós", "Mezőtúr", "Csongrád",
	"Szentendre", "Sárvár", "Bonyhád", "Kőszeg", "Berettyóújfalu", "Sátoraljaújhely", "Celldömölk", "Fehérgyarmat", "Csorna",
	"Kapuvár", "Körmend", "Tapolca", "Szarvas", "Püspökladány", "Kalocsa", "Marcali", "Tiszafüred", "Kunszentmárton",
}

// abroad are places of birth outside Hungary, as the register writes them.
var abroad = []string{
	"Kolozsvár (ROMÁNIA)", "Temesvár (ROMÁNIA)", "Marosvásárhely (ROMÁNIA)", "Nagyvárad (ROMÁNIA)", "Székelyudvarhely (ROMÁNIA)",
	"Szabadka (SZERBIA)", "Újvidék (SZERBIA)", "Kassa (SZLOVÁKIA)", "Dunaszerdahely (SZLOVÁKIA)", "Ungvár (UKRAJNA)",
	"Beregszász (UKRAJNA)", "Wien (AUSZTRIA)", "London (EGYESÜLT KIRÁLYSÁG)", "München (NÉMETORSZÁG)",
}

// capital is where those of the capital's districts are born; the first is the canonical spelling of a district.
const capital = "Budapest"

var roman = []string{
	"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI", "XVII",
	"XVIII", "XIX", "XX", "XXI", "XXII", "XXIII",
}

// districtSpellings holds, for each district, spellings that are losslessly equal; the first is the canonical one.
var districtSpellings = func() (all [23][4]string) {
	for i := range all {
		n := string([]byte{byte('0' + (i+1)/10), byte('0' + (i+1)%10)})
		all[i] = [4]string{
			capital + " " + n, "BUDAPEST " + n, capital + " " + roman[i] + ".", capital + " " + roman[i] + ". kerület",
		}
	}
	return all
}()

var authorities = []string{
	"Budapest Főváros Kormányhivatala XIII. Kerületi Hivatala", "Budapest Főváros Kormányhivatala VII. Kerületi Hivatala",
	"Hajdú-Bihar Vármegyei Kormányhivatal Debreceni Járási Hivatala", "Baranya Vármegyei Kormányhivatal Pécsi Járási Hivatala",
	"Csongrád-Csanád Vármegyei Kormányhivatal Szegedi Járási Hivatala", "Zala Vármegyei Kormányhivatal Keszthelyi Járási Hivatala",
	"Győr-Moson-Sopron Vármegyei Kormányhivatal Soproni Járási Hivatala", "Békés Vármegyei Kormányhivatal Gyulai Járási Hivatala",
	"Borsod-Abaúj-Zemplén Vármegyei Kormányhivatal Miskolci Járási Hivatala", "Heves Vármegyei Kormányhivatal Egri Járási Hivatala",
}

// domains are those of addresses: reserved for examples, so that no mail of a test reaches anybody.
var domains = []string{"example.hu", "example.com", "posta.example.hu", "mail.example.com"}
