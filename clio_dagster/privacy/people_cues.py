"""Words around names of people, by what they say of the word beside them: titles, greetings, kin, what people do.

Part of the detector (P3): `people` reads them, and nothing else does. Each set holds all languages with capitals
together, in lower case, since a text may mix them.
"""

# ruff: noqa: E501, SIM905 (word lists)

from __future__ import annotations

PARTICLES = frozenset(
    "van der den de la los las della van von del dela di da dos das do du bin ibn bint al el ter ten te zu zum y af av e".split()
)
NOBLE = frozenset("van von der den ter ten bin ibn bint al el della dela".split())
TITLES = frozenset(
    """
    mr mrs ms miss mister mx dr prof professor doctor sir lady dame judge justice sgt sergeant capt captain lt col rev reverend father sister
    brother uncle aunt auntie coach sr sra srta señor señora señorita don doña mme mlle monsieur madame mademoiselle maître herr frau
    fräulein sig signor signora signorina dott dottor dottoressa dottore avvocato senhor senhora dona doutor doutora dhr mevr mevrouw meneer
    pan pani pana panu panią panem bay bayan sayın hoca г-н г-жа господин госпожа господина госпожи господину доктор профессор товарищ дядя тётя κύριος κυρία κος κα
    tante onkel oom oncle tía tío zia zio doutora doctora docteur doktor profesor profesora professeur
    """.split()
)
INTRODUCTIONS = frozenset(
    line.strip()
    for line in """
    name is|name was|name's|names|name|surname|surname is|signed|signed by|written by|directed by|author is|called|named|call me|calls me|i'm|i am|im|this is|i go by|goes by
    they call me|is called|was called|was named|named him|named her|named it|known as|speaking with|speaking to|attn|attention|from|to|cc|user|patient|client|contact|contact person
    me llamo|se llama|llamado|llamada|nombre es|mi nombre|nombre|apellido|apellidos|soy|llaman|llamarme|de parte de
    m'appelle|s'appelle|me nomme|nommé|nommée|nom est|nom|prénom|appelé|appelée|je suis|c'est|de la part de
    name ist|name lautet|ich heiße|heiße|heisse|heißt|heisst|genannt|namens|ich bin|vorname|nachname|gruß
    mi chiamo|chiamo|si chiama|chiamato|chiamata|nome è|nome|cognome|sono
    me chamo|chamo-me|chama-se|se chama|chamado|chamada|nome é|sou|sou o|sou a|aqui é|aqui é o|aqui é a
    naam is|naam|heet|ik heet|genaamd|ik ben|voornaam|achternaam
    nazywam się|nazywa się|mam na imię|ma na imię|imię|nazwisko|jestem|o imieniu|o nazwisku
    benim adım|adım|adı|ismim|ismi|isim|soyadı|adlı|isimli|ben|adım soyadım
    меня зовут|её зовут|его зовут|ее зовут|зовут|моё имя|мое имя|имя|фамилия|это|по имени|по фамилии
    με λένε|το όνομά μου είναι
    """.replace("\n", "|").split("|")
    if line.strip()
)
LABELS = frozenset(
    "name names surname from to cc user patient client contact attn attention nombre apellido apellidos nom prénom nome cognome naam voornaam achternaam vorname nachname imię nazwisko isim soyadı adı имя фамилия".split()
)
"""Introductions that need a colon or the like behind them."""
GREETINGS = frozenset(
    """
    dear hi hello hey hola querida querido estimada estimado cher chère bonjour salut liebe lieber hallo lieve beste cara caro gentile ciao prezada prezado
    olá oi drogi droga cześć szanowna szanowny sayın merhaba selam sevgili привет уважаемый уважаемая дорогой дорогая здравствуйте здравствуй thanks bye
    """.split()
)
KIN = frozenset(
    """
    wife husband son daughter brother sister mother father mom mum dad boss manager friend boyfriend girlfriend partner fiancé fiancée fiance fiancee ex colleague coworker
    neighbour neighbor teacher roommate flatmate cousin uncle aunt niece nephew therapist client patient student kid child baby grandmother grandfather grandma grandpa supervisor landlord landlady doctor lawyer guardian
    esposa esposo marido mujer hijo hija hermano hermana amigo amiga jefe jefa novio novia madre padre primo prima vecino vecina compañero compañera profesor profesora suegra suegro abuela abuelo sobrina sobrino
    mari femme fils fille frère sœur soeur ami amie patron patronne copain copine mère père cousin cousine voisin voisine collègue tante oncle
    mann frau sohn tochter bruder schwester freund freundin chef chefin mutter vater kollege kollegin kollegen nachbar nachbarin nachbarn cousine vermieter vermieterin lehrer lehrerin tante onkel
    moglie marito figlio figlia fratello sorella amico amica capo fidanzato fidanzata madre padre cugino cugina vicino vicina collega compagno compagna
    esposa filho filha irmão irmã chefe namorado namorada mãe pai primo prima vizinho vizinha colega sogra sogro
    vrouw man zoon dochter broer zus zusje vriend vriendin baas moeder vader buurman buurvrouw collega neef nicht
    żona żonie żoną mąż mężem mężowi syn synem syna córka córką córce córki brat bratem bratu brata siostra siostrą siostrze siostry szef szefem szefowa szefowi przyjaciel przyjaciółka przyjacielem przyjaciółką kolega koleżanka kolegą koleżanką sąsiad sąsiadka sąsiadem mama tata
    karım kocam eşim oğlum kızım kardeşim ablam abim ağabeyim annem babam arkadaşım patronum müdürüm komşum kuzenim sevgilim nişanlım öğretmenim
    жена жене женой жены муж мужем мужа мужу сын сыном сыну сына дочь дочерью дочери брат братом брату брата сестра сестрой сестре сестры мама папа друг другом другу подруга подругой подруге начальник начальником начальнику начальница коллега коллегой коллеге сосед соседом соседка соседкой бабушка дедушка
    """.split()
)
SIGNED = frozenset(
    """
    regards sincerely truly cheers thanks love wishes yours faithfully saludos atentamente abrazo besos cordialement vous amitiés bises grüßen grüße gruß saluti cordialmente
    atenciosamente abraços cumprimentos groet groeten pozdrawiam poważaniem saygılarımla selamlar sevgiler уважением приветом
    """.split()
)
TOWARDS = frozenset(
    """
    with by told tell asked ask meet met called emailed email texted text phoned contacted visited dated married thanked invited hired fired helped and or
    to for about from says said between via through against
    con por para a de e y avec par pour chez et mit von für bei an und oder per da o ou com met voor door bij en z od dla do przez i oraz ile ve için с со от для у к и о
    """.split()
)
"""Words that people stand behind, among much else: they help a word that is known as a name."""
DOES = frozenset(
    """
    said says told tells asked asks wrote writes called calls emailed texted replied answered explained announced added shouted whispered thinks thought wants wanted lives lived
    works worked died married laughed cried smiled insists insisted promised phoned
    dijo dice vive trabaja quiere escribió llamó preguntó murió cree dit habite travaille veut pense écrit sagte sagt wohnt arbeitet meint möchte schrieb fragte
    disse vive lavora vuole pensa scrisse mora trabalha quer escreveu perguntou zei zegt woont werkt wil schreef vroeg
    powiedział powiedziała mówi mieszka pracuje chce napisał napisała zapytał dedi diyor söyledi yaşıyor çalışıyor istiyor yazdı sordu aradı
    сказал сказала говорит живёт живет работает хочет написал написала спросил спросила позвонил позвонила
    """.split()
)
WHOSE = frozenset(
    """
    my our your his her their mi tu su nuestro nuestra mon ma ton ta son sa notre mein meine meinem meiner meinen unser unsere unserem dein deine sein seine ihr ihre
    mio mia suo sua il tuo tua meu minha seu sua o a nosso nossa mijn onze zijn haar mój moja moim moją mojej mojego mojemu moi z od nasz nasza benim мой моя моим моей моего моему моём наш наша с
    """.split()
)
GERMAN = frozenset(
    "der die das und ist nicht ich ein eine einen zu mit für auf den dem von bei wie mein meine kann im".split()
)
FOREIGN = frozenset(
    "le la les et des que un une el los y con por para il che per da do não een het van w na się że bir ve bu и в на не".split()
)
PERSONAL = frozenset(
    "i my me ich mir mich mein meine meinen meinem meiner je me moi mon ma mes yo mi mis me mio mia miei io eu meu minha ik mij mijn me mnie mi mój moja moim ja ben bana benim я мне меня мой моя мы".split()
)
"""Words for oneself: people who write of themselves name people they know."""
BARE = frozenset("with avec con com met mit z ze с со chez pour à par per para por aan van voor door".split())
"""Prepositions that institutions follow with an article, where the language has articles, and people without."""
TELLING = frozenset(
    "répondre réponds écrire écris dire dis demander rispondo rispondere scrivere scrivo dire respondo responder escrever escribir escribo decir contesto contestar antwoord antwoorden schrijf vraag napisz odpowiedzieć ответить написать".split()
)
THAT = frozenset("dass ob weil que qui che dat of że czy jest что zwie kim est es".split())
ENGLISH = frozenset(
    "the and is of to my i you for with was not it this that what how can please are do have".split()
)
PLACES = frozenset(
    "day garden gardens street university city river state island beach bank court act agreement code tree water hill hills lake park road fields field church house school hall bridge tower valley bay france beer".split()
)
SAID = frozenset(
    "says said asked replied told shouted whispered answered dijo dice disse zei powiedział powiedziała сказал сказала".split()
)
CALLING = frozenset(
    "can could would will please do did are you i we what how when why where thank thanks let is".split()
)
BEING = frozenset("is was has had will can began spent wants knows likes loves does did".split())
PLACE_BEFORE = frozenset(
    "san santa santo sankt saint sainte são sao north south east west port fort lake mount los las el la new saint-".split()
)
ANDS = frozenset("and or & y e et und o ou en i oraz ve и".split())
NO_NAME = frozenset(
    """
    a about actually after again anymore anybody anything instead besides saved names name spanish english all already also always an and another any as asap at back because before being but by
    correct crazy cause day different difficult due first for from given going gonna hard important in incorrect is it its
    just later listed long misspelled my myself needed never new no not now of off on one only or other out over please
    really right so something spelled spelt stupid sure that the their them then there this to today tomorrow too unique
    unknown up very was wasn't what when where whether which who why with wrong written your on when if
    """.split()
)
