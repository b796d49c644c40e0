"""Names for a simulated organization."""

COMPANY = "Northwind Medical Group"

#: The companies of seeds other than 1, each with the prefix of its meeting sites.
OTHER_COMPANIES = (
    ("Contoso Clinics", "contoso"),
    ("Fabrikam Logistics", "fabrikam"),
    ("Tailspin Toys Manufacturing", "tailspin"),
    ("Litware Legal Partners", "litware"),
    ("Proseware Banking", "proseware"),
    ("Wide World Hotels", "wideworld"),
    ("Adatum Energie AG", "adatum"),
    ("Lucerne Publishing Łódź", "lucerne"),
    ("Blue Yonder Airlines", "blueyonder"),
    ("Margie’s Travel, Inc.", "margies"),
    ("Woodgrove Schools", "woodgrove"),
)

LOCATIONS = (
    "Paragville Main Hospital",
    "Riverside Clinic",
    "Harbor Point Surgery Center",
    "Oak Street Pharmacy",
    "Zürich Praxis am See",
    "Kraków Centrum",
    "São Paulo Paulista",
    "東京 本社",
)

PLACES = (
    "Reception",
    "Nurse Station",
    "Loading Dock",
    "Operating Theater",
    "Pharmacy Counter",
    "Laboratory",
    "Ambulance Bay",
    "Security Desk",
    "Staff Room",
    "Radiology",
    "Kitchen",
    "Boiler Room",
    "Waiting Area",
    "Intensive Care",
    "Archive",
)

FIRST_NAMES = (
    "Alice", "Bob", "Chinedu", "Dana", "Émilie", "Farid", "Grace", "Hiroshi", "Ingrid", "José",
    "Katarzyna", "Liam", "Mónica", "Noor", "Olumide", "Priya", "Quentin", "Rosa", "Søren", "Tuğba",
)  # fmt: skip

LAST_NAMES = (
    "Little", "Johnson", "Okafor", "Müller", "García", "Nguyen", "O'Brien", "Kowalski", "Sato", "Haddad",
    "Jensen", "Silva", "Yıldız", "Petrov", "Smith-Jones", "de la Cruz", "Patel", "Rossi", "Kim", "Novák",
)  # fmt: skip

#: Names that break careless programs: formulas, markup, control, right-to-left and combining characters.
HOSTILE = (
    '=HYPERLINK("http://example.com","Reception")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "-2+3",
    "+1-408 dial me",
    "\tTabbed Room",
    "<script>alert(1)</script>",
    "مكتب الاستقبال",
    "Cafe\u0301 🏥 Ward",
    "\u202egnp.yeb",
    "Line\nbreak; Room",
    "\u001b[31mRed Room",
    "'; DROP TABLE rooms; --",
    ".",
    "Zero\u200bWidth",
)
