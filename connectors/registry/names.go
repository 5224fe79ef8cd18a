package registry

import "strings"

// The name pools, each sorted by frequency, roughly.
var (
	surnames = strings.Fields(`
Nagy Kovács Tóth Szabó Horváth Varga Kiss Molnár Németh Farkas Balogh Papp Lakatos Takács Juhász Mészáros Oláh Simon Rácz
Fekete Szilágyi Török Fehér Balázs Gál Kis Szűcs Orsós Kocsis Fodor Pintér Szalai Sipos Magyar Gulyás Lukács Biró Király
Jakab Bogdán Katona Balog László Sándor Boros Váradi Fazekas Kelemen Antal Somogyi Orosz Fülöp Veres Budai Vincze Hegedűs
Deák Pap Bálint Pál Illés Szőke Vörös Vass Bognár Lengyel Fábián Bodnár Szücs Hajdu Halász Jónás Kozma Székely Gáspár
Pásztor Bakos Dudás Virág Major Hegedüs Novák Soós Máté Orbán Tamás Szekeres Nemes Csonka Barna Faragó Borbély Kerekes
Csizmadia Dobos Barta Péter Erdei Dóra Kolompár Pataki Mezei Szántó Balla Márton Sárközi Berki Gombos Kun Szalay Ignácz
Erdős Kalmár Vida Sebestyén Lőrincz Márkus Benkő Pálfi Vámos Bíró Győri Csikós Bakó Végh Tihanyi Erdélyi Ország
Bárány Galambos Sólyom Szigeti Bartos Zsiga Ács Kárpáti Laczkó Miklós Angyal Nyári Polgár Somlai Szabados Tar Ujvári
Újvári Dömötör Csordás Demeter Bene Fenyvesi Gergely Hornyák Jenei Káldor Lovas Mohácsi Nyerges Oravecz Petró Radics Sallai
Temesi Urbán Vadász Zentai Zsoldos Ambrus Bagi Csernák Dénes Egri Földi Gelencsér Hódi Ivanics Járai Kósa Ládi Marosi
Nádasdi Ökrös Őri Pécsi Rigó Sárosi Szente Tőkés Üveges Vértesi Zámbó Zsótér Bencze Csépe Dorogi Ecsedi Földvári
Gyenes Harsányi Iványi Jámbor Kállai Lázár Megyeri Nógrádi Ormos Pongrácz Répási Sörös Szendrei Tárnok Ungvári Vetési Zalai
Czeglédi Czakó Czinege Czirják Czibulka Laczkovich Pálffy Zichy Thury Thököly Horváthy Tóthy Kováts Takáts Szathmáry Szász
Bányai Eötvös Weöres Kölcsey Dessewffy Batthyány Gerlóczy Rédey Görgey Kazinczy Madarassy Ruttkay Patay Lónyay Perényi
Müller Schmidt Weisz Klein Braun Wagner Fischer Schneider Hoffmann Stumpf Schäffer Töröcsik Kühn Gröber Pfeiffer Rieger
Popovics Petrovics Jovánovics Kovacsics Babics Milosevics Hruska Kubik Novotny Hudák Matyók Zsigmond Bőhm Bősze Sűdi
Füzesi Gyűrű Hűvös Kőszegi Lőwy Mező Óvári Pőcze Rőth Szűr Tűzkő Úri Zöldi Árvai Ébner Ónodi Ürmös Űrhegyi`)

	givenMale = strings.Fields(`
László István József János Zoltán Sándor Gábor Ferenc Attila Péter Tamás Zsolt Tibor András Csaba Imre Lajos György Balázs
Gyula Mihály Károly Róbert Béla Dávid Dániel Ádám Krisztián Miklós Norbert Bence Máté Pál Szabolcs Roland Gergő Antal Bálint
Richárd Márk Levente Gergely Ákos Viktor Árpád Géza Márton Kristóf Jenő Kálmán Patrik Martin Milán Barnabás Dominik Marcell
Ernő Mátyás Endre Áron Dezső Botond Nándor Zsombor Szilárd Erik Olivér Vilmos Ottó Dénes Rudolf Zalán Hunor Bendegúz Ármin
Benedek Soma Vince Noel Nimród Alex Simon Benjámin Kornél Aladár Elemér Győző Jácint Lőrinc Tivadar Titusz Örs Csongor Gellért
Bertalan Ábel Ervin Arnold Zénó Vendel Ágoston Alfréd Ambrus Aurél Barna Boldizsár Donát Edgár Emil Félix Flórián Fülöp
Gáspár Gusztáv Henrik Hugó Ignác Iván Jakab Joakim Kelemen Keve Kolos Lénárd Lóránt Medárd Menyhért Mór Ödön Regő Rezső
Sámuel Sebestyén Tas Tihamér Tódor Ubul Ulrik Valér Vajk Vazul Vid Vitus Xavér Zebulon Zsigmond Theodor`)

	givenFemale = strings.Fields(`
Mária Erzsébet Katalin Ilona Éva Anna Zsuzsanna Margit Judit Ágnes Julianna Andrea Ildikó Erika Krisztina Irén Eszter Magdolna
Mónika Edit Gabriella Szilvia Anita Anikó Viktória Márta Rozália Tímea Piroska Ibolya Klára Tünde Dóra Zsófia Gizella Veronika
Alexandra Csilla Terézia Nikolett Melinda Adrienn Réka Beáta Marianna Nóra Renáta Vivien Barbara Bernadett Rita Brigitta Edina
Hajnalka Gyöngyi Jolán Petra Orsolya Etelka Boglárka Vanessza Noémi Valéria Enikő Lilla Fanni Hanna Kitti Emese Borbála Sára
Jázmin Luca Nikoletta Aranka Rebeka Lili Dorina Emma Kinga Hedvig Anett Bianka Annamária Sarolta Virág Flóra Laura Léna Zoé
Panna Izabella Dorottya Csenge Janka Kata Kamilla Blanka Bettina Diána Evelin Fruzsina Gréta Ivett Júlia Kincső Liliána Maja
Natália Olga Patrícia Regina Szabina Teodóra Villő Xénia Zita Ágota Ádél Ajna Alíz Amália Aurélia Ráhel Berta Cecília Csinszka
Dalma Elvira Emília Etel Felícia Franciska Georgina Gerda Hermina Ida Inez Irma Jusztina Karola Kornélia Leila Lívia Lujza
Marcella Matild Mirjam Mirtill Napsugár Ottília Paula Rózsa Szidónia Tekla Tilda Vilma Zselyke Zsuzsa Ünige Örzse`)
)
