"""Quantities that take more than one number, or a word, to say: "5 feet 3 inches", "3 and a half".

None of them is a plain number, and no part of one is the answer: which unit it would be in, nothing says.
"""

from __future__ import annotations

import re
from itertools import pairwise

COMPOUND = "\ufdd0"
"""What stands in a text in place of such a quantity: a character that no text may hold."""

_UNIT_FAMILIES = (
    (
        "год года лет year years yr yrs jahr jahre jahren an ans année années año años ano anos anno anni jaar",
        "месяц месяца месяцев month months mo mos monat monate monaten mois mes meses mese mesi maand maanden",
        "week weeks wk wks w woche wochen semaine semaines semana semanas settimana settimane weken",
        "day days d tag tage tagen jour jours j día días dia dias giorno giorni dag dagen",
        "час часа часов ч hour hours hr hrs h stunde stunden std heure heures hora horas ora ore uur uren",
        "минута минуты минут мин minute minutes min mins m minuten minuto minutos minuti minuut",
        "second seconds sec secs s sekunde sekunden sek seconde secondes segundo segundos secondo secondi seconden",
    ),
    (
        "mile miles mi kilometer kilometers kilometre kilometres km",
        "yard yards yd yds meter meters metre metres metro metros m",
        "foot feet ft fuß fuss pied pieds ' ′",
        "inch inches in ins zoll pouce pouces \" ″ '' ′′",
        "centimeter centimeters centimetre centimetres cm cms",
        "millimeter millimeters millimetre millimetres mm",
    ),
    (
        "ton tons tonne tonnes t",
        "stone stones st kilo kilos kilogram kilograms kilogramme kilogrammes kg kgs",
        "pound pounds lb lbs",
        "ounce ounces oz gram grams gramme grammes g",
        "milligram milligrams mg",
    ),
    (
        "gallon gallons gal gals",
        "quart quarts qt qts liter liters litre litres litro litros l",
        "pint pints pt pts",
        "cup cups",
        "ounce ounces oz fluid fl",
        "tablespoon tablespoons tbsp tbsps",
        "teaspoon teaspoons tsp tsps milliliter milliliters millilitre millilitres ml mls cl",
    ),
    (
        "рубль рубля рублей руб dollar dollars bucks euro euros pound pounds quid rupee rupees franc francs peso pesos",
        "quarter quarters",
        "dime dimes",
        "nickel nickels",
        "копейка копейки копеек cent cents pence pennies penny p paise centavo centavos centime centimes ct cts c ¢",
    ),
    (
        "degree degrees deg ° grad",
        "arcminute arcminutes arcmin minute minutes ' ′",
        "arcsecond arcseconds arcsec second seconds \" ″ '' ′′",
    ),
)
"""Of each kind the units from the largest to the smallest: one after another they make one quantity."""
_RANKS: dict[str, dict[int, int]] = {}
for _kind, _units in enumerate(_UNIT_FAMILIES):
    for _rank, _names in enumerate(_units):
        for _name in _names.split():
            _RANKS.setdefault(_name, {})[_kind] = _rank
_CENTS = frozenset(_UNIT_FAMILIES[4][-1].split())
_BEFORE_A_BARE_NUMBER = "foot feet ft ' ′ stone stones st hour hours hr hrs h std meter metre m euro euros"
_UNITS_BEFORE_BARE_NUMBER = frozenset(_BEFORE_A_BARE_NUMBER.split())
"""After these the smaller unit may go without saying: "6 ft 2", "12 stone 4", "2h 30"."""
_FEET = ("'", "′")
_WITH_A_STOP = (
    "yr yrs mo mos wk wks hr hrs h std min mins m sec secs mi km yd yds ft in cm mm st kg kgs lb lbs oz g mg gal gals "
    "qt qts l pt pts tbsp tbsps tsp tsps ml mls cl deg t"
)
_ABBREVIATED = frozenset(_WITH_A_STOP.split())
"""After these a full stop need not end the sentence."""

_NUMBER_OR_MIXED = r"[0-9]{1,9}(?:[.,][0-9]{1,9})?(?:\s[0-9]{1,3}/[0-9]{1,3})?"
_AND_OF_MEASURES = r"(?:and|und|et|y|e|en|i|&|\+)"
# In "3 and a half" the word after the number is no unit.
_UNIT_WORD = rf"(?!{_AND_OF_MEASURES}\b)[^\W\d_]{{1,14}}|['\"′″]{{1,2}}|[°¢]"
# Not inside of another number, a date or a time: 12.5, 1/2, 10:30.
_MEASURE = re.compile(
    rf"(?<![0-9.,/:])(?P<number>{_NUMBER_OR_MIXED})(?:[*\s-]{{0,3}}(?P<unit>{_UNIT_WORD}))?", re.IGNORECASE
)
_JOINT_OF_MEASURES = re.compile(
    rf"(?P<stop>\.)?[*]{{0,2}},?[ -]{{0,3}}(?:{_AND_OF_MEASURES} {{1,3}})?[*]{{0,2}}", re.IGNORECASE
)
_CENTS_FOLLOW = re.compile(rf" (?:{_AND_OF_MEASURES} )?", re.IGNORECASE)
# Behind "6 ft 2" comes a stop or a word of measure: in "6 ft 2 boards" the 2 counts boards.
_CLOSED = re.compile(r"\s{0,2}(?:[.,;:!?)\]}*\"'$\\]|tall\b|long\b|$)")
_DOZEN = r"[*]{0,2}[\s-]{0,2}(?:(?:dozens?|dz|doz|douzaines?|dutzend|docenas?|dúzias?|dozzin[ae])\b|ダース|打)"
_DOZENS = re.compile(rf"[0-9]{_DOZEN}", re.IGNORECASE)
_MEASURE_IN_WORDS = re.compile(
    rf"(?<![\w.,/:]){_NUMBER_OR_MIXED}(?:"
    # "3 and a half", "3 hours and a half", "3 and a half dozen", but not "3, and half of the others".
    rf"[*]{{0,2}}\s{{0,2}}(?:[^\W\d_]{{1,14}}\s{{1,2}})?{_AND_OF_MEASURES}\s{{1,2}}"
    r"(?:(?:an?|one|two|three|ein|eine|une?|un)[\s-])?(?:half|halves|thirds?|quarters?|fourths?|fifths?|sixths?|"
    r"eighths?|tenths?|demie?|medi[ao]|mei[ao]|mezz[ao]|halbe?s?|viertel|drittel)\b(?!\s{1,3}(?:of|the|de)\b)"
    r"|\s?einhalb\b"
    # Times of the day: before noon or after it, a 5 is another hour.
    r"|\s?(?:[ap]\.\s?m\.|[ap]m\b)|\s?o['’]clock\b"
    # 5-1/2 is 5½ to some, and to others a difference.
    r"|-[0-9]{1,3}/[0-9]{1,3}(?![\w/])"
    # 1 million 200 thousand.
    r"|\s(?:thousand|million|billion|trillion|lakh|crore)s?,?\s(?:and\s)?[0-9]{1,3}(?:,[0-9]{3})?(?:\s(?:hundred|thousand|million|lakh)s?)?"
    r"(?=\s{0,3}(?:[.!?)*\"']|\n|$))"
    # Dozens are read, as units are, unless a plain number says the same: "24 eggs (2 dozen)", "2 dozen = 24".
    rf"|{_DOZEN}(?=[^()]{{0,20}}\)|\s{{0,3}}[(=]\s?[0-9])"
    r")",
    re.IGNORECASE,
)
# 2時間30分, 3年2个月, 2시간 30분; and with a half, 2時間半.
_UNSPACED_MEASURE = re.compile(
    r"[0-9]{1,9}\s?(?:(?:個|个|か|ヶ)?月|年|週間|周|星期|天|日|時間|小时|小時|時|시간|년|개월|일|英尺|米|公斤|斤|元|块|塊|円|피트|度)"
    r"(?:と|又|零)?\s?[0-9]{1,9}\s?"
    r"(?:(?:個|个|か|ヶ)?月|週間|周|天|日|時間|小时|小時|時|分钟|分鐘|分間|分|秒|시간|분|초|개월|일|英寸|厘米|公分|克|两|角|毛|銭|인치)"
    r"(?:\s?[0-9]{1,9}\s?(?:日|天|分钟|分鐘|分間|分|秒|시간|분|초)){0,4}"
    r"|[0-9]{1,9}\s?[百千万萬億亿][0-9]{1,9}\s?[百千万萬]?"
    r"|[0-9]{1,9}(?:個|个|天|年|時間|小时|小時|시간|개월|か月|ヶ月)?\s?半"
)
_SAID_OTHERWISE = re.compile(
    rf"{COMPOUND}(?=\s{{0,3}}(?:\(\s?(?:or\s|i\.e\.,?\s|=\s?)?|=\s?)[0-9])"
    rf"|(?<=[A-Za-z0-9])\s{{0,3}}\([^(){COMPOUND}]{{0,20}}{COMPOUND}[^(){COMPOUND}]{{0,20}}\)"
)
"""Beside a plain number: "1 hour 30 minutes (90 minutes)", "90 minutes (1 hour 30 minutes)"."""


def without_compounds(text: str) -> str:
    """A text of numbers in plain spelling, with `COMPOUND` for each such quantity that nothing says otherwise."""
    spans = [match.span() for match in _MEASURE_IN_WORDS.finditer(text)]
    for one, other in pairwise(_MEASURE.finditer(text)):
        if _go_together(one, other, text):
            spans.append((one.start(), other.end()))
    if not spans:
        return text
    kept, end = list[str](), 0
    for start, stop in sorted(spans):
        # Of three units the middle one belongs to two pairs.
        if start >= end:
            kept += [text[end:start], COMPOUND]
        end = max(end, stop)
    return _SAID_OTHERWISE.sub(" ", "".join([*kept, text[end:]]))


def without_unspaced(text: str) -> str:
    """The text as it was written, with `COMPOUND` for each such quantity in Chinese, Japanese or Korean."""
    return text if text.isascii() else _UNSPACED_MEASURE.sub(COMPOUND, text)


def in_dozens(text: str) -> bool:
    """Whether a text counts in dozens: who asks for dozens is told "5 dozen", but as a target it may be 5 or 60."""
    return _DOZENS.search(text) is not None


def _go_together(one: re.Match[str], other: re.Match[str], text: str) -> bool:
    """Whether the second number is of a smaller unit of what the first one measures."""
    joint = text[one.end() : other.start()]
    joined = _JOINT_OF_MEASURES.fullmatch(joint) if len(joint) <= 12 else None
    if joined is None or (joined["stop"] and (one["unit"] or "").lower() not in _ABBREVIATED):
        return False
    large, small = _unit_ranks(one), _unit_ranks(other)
    if any(large[kind] < small[kind] for kind in large.keys() & small.keys()):
        return True
    if one["unit"] is None:
        # The sign of "$5 and 25 cents" is gone.
        return (other["unit"] or "").lower() in _CENTS and _CENTS_FOLLOW.fullmatch(joint) is not None
    bare = other["unit"] is None or not small
    short = bare and len(other["number"]) <= 2 and _CLOSED.match(text, other.end("number")) is not None
    # Three digits after an apostrophe are thousands: 1'234.
    return (
        short
        and one["unit"].lower() in _UNITS_BEFORE_BARE_NUMBER
        and (joint in {" ", ". ", "-"} or one["unit"] in _FEET)
    )


def _unit_ranks(measure: re.Match[str]) -> dict[int, int]:
    """How far down the unit stands, in each kind that has it."""
    return {} if measure["unit"] is None else _RANKS.get(measure["unit"].lower(), {})
