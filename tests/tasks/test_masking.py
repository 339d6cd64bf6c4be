"""What rules find of personal data, and what they leave alone."""

from __future__ import annotations

import pytest

from promptopt.tasks.masking import Masker
from promptopt.tasks.personal import is_personal
from promptopt.types import Message, ToolCall
from tests.ends import LONG, ends


def masked(text: str, *variables: tuple[str, str], own: str = "", names: tuple[str, ...] = ()) -> str:
    return Masker(own, names).conversation(variables).text(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mail ann.lee+x@mail.example.co.uk now", "mail [email] now"),
        ("call +49 (0)170 123-4567!", "call [phone]!"),
        ("call 030 1234567 or (555) 123-4567", "call [phone] or [phone 2]"),
        ("card 4111-1111-1111-1111", "card [card number]"),
        ("iban DE89370400440532013000.", "iban [iban]."),
        ("from 192.168.0.17", "from [ip address]"),
        ("from ::ffff:192.168.0.17 and ::FFFF:10.0.0.1", "from [ip address] and [ip address 2]"),
        (
            "PO 98765 43210, part no. 415-555-2671, SN 0171-1234567",
            "PO 98765 43210, part no. 415-555-2671, SN 0171-1234567",
        ),
        ("写给ann@acme.com或müller@straße.de吧", "写给[email]或[email 2]吧"),
        ("打13812345678吧", "打[phone]吧"),
        ("订单13812345678到了", "订单13812345678到了"),
        ("the count was 13812345678 then, so call 13912345678", "the count was 13812345678 then, so call [phone]"),
        ("key sk-abcdefgh12345678 and AKIAABCDEFGHIJKLMNOP", "key [key] and [key 2]"),
        ("the password is hunter2!x, mind", "the [password] mind"),
        ("api_key=9f8e7d6c5b4a39281706 ends", "[password] ends"),
        ("ring 555.123.4567", "ring [phone]"),
        ("card 4111.1111.1111.1111", "card [card number]"),
        ("The server is 10.0.0.1. Call 555.123.4567.", "The server is [ip address]. Call [phone]."),
        ("Card 4111.1111.1111.1111. Mail a@b.co.", "Card [card number]. Mail [email]."),
        ("release 1.2.3.4.5 of 555.123.4567.8", "release 1.2.3.4.5 of 555.123.4567.8"),
        ("at https://me:pw@example.com/a?b", "at [link with a password]"),
        ("order 1234567890123456, 3 of 12, 2026-11-27, 19.99", "order 1234567890123456, 3 of 12, 2026-11-27, 19.99"),
        ("version 1.2.3 costs 1,234.50", "version 1.2.3 costs 1,234.50"),
        ("write to jean.dupont at mail dot com or ann_k at shop dot co dot uk!", "write to [email] or [email 2]!"),
        ("bought at acme dot com, size 5.5 at acme dot com", "bought at acme dot com, size 5.5 at acme dot com"),
        ("file a_b at row dot product x", "file a_b at row dot product x"),
    ],
)
def test_personal_data_gives_way_to_what_it_is(text: str, said: str) -> None:
    assert masked(text) == said


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "github_pat_11ABCDEFG0abcdefghijkl",
        "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "glpat-abcdefGHIJ1234567890",
        "AIzaSyA1234567890abcdefGHIJKLMNOPqrstuv",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc",
        "npm_abcdefghijklmnopqrstuvwxyz0123456789",
        "pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAw",
        "xapp-1-A111-222-abcdef",
        "hooks.slack.com/services/T00000000/B00000000/XXXXXXXX",
        "ASIAIOSFODNN7EXAMPLE",
        "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
        "SK0123456789abcdef0123456789abcdef",
        "shpat_0123456789abcdef0123456789abcdef",
        "whsec_abcdefghijklmnop1234",
        "Basic dXNlcjpwYXNzd29yZA==",
    ],
)
def test_keys_of_all_common_forms_are_known(key: str) -> None:
    assert masked(f"use {key} today") == "use [key] today"


@pytest.mark.parametrize(
    "text",
    [
        "Never ask for a password: 2 tries are enough.",
        "A password has at least 8 characters.",
        "Basic authentication is off; the token is a word; max_tokens = 120.",
        "Fill in password: {{password1}} and api_key: <key-1234567>.",
        "The secret of good boots: grease.",
    ],
)
def test_talk_of_passwords_is_none(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("name", "personal"),
    [("product_name", False), ("fileName", False), ("plan name", False),
     ("name", True), ("customer_name", True), ("userName", True)],
)  # fmt: skip
def test_the_name_of_a_thing_is_not_personal(name: str, personal: bool) -> None:
    assert is_personal(name) is personal


NUMBERS = (
    "+1 (212) 555-0199", "212-555-0199", "1-800-555-0199", "212.555.0199",
    "020 7946 0958", "07700 900123", "07700900123", "+44 20 7946 0958",
    "0171/1234567", "(030) 901820-12", "01711234567", "+4915112345678",
    "01 23 45 67 89", "01.23.45.67.89", "0612345678",
    "06 6982 1234", "06-12345678", "079 123 45 67", "0664 1234567",
    "(11) 91234-5678", "03-1234-5678", "98765 43210", "+91-98765-43210", "0412 345 678", "070-123 45 67",
    "138 0013 8000", "8 (912) 345-67-89",
)  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_telephones_are_known_in_the_forms_of_their_countries(number: str) -> None:
    assert masked(f"I am at {number}, thanks") == "I am at [phone], thanks"


@pytest.mark.parametrize("cue", ["Call me: ", "phone ", "My number is ", "WhatsApp ", "Móvil: ", "Telefon "])
@pytest.mark.parametrize("number", ["612 345 678", "601234567", "2125550199"])
def test_a_word_before_it_makes_any_number_a_telephone(cue: str, number: str) -> None:
    assert masked(f"{cue}{number}.") == f"{cue}[phone]."


@pytest.mark.parametrize(
    "text",
    [
        "order number 0049123456 and ticket #0123456789, Bestellung Nr. 0171 1234567",
        "tracking JD014600003888888888, parcel 00340434161094042557",
        "from 01/02/2026 to 03-04-2026, 28.11.2026, 2026-11-28 14:03:22",
        "7 500 000 - 8 000 000 km, 1.234.567,89 EUR, 1 234 567,89, 24/7",
        "SKU GB12ABCD3456EFGH, ISBN 978-3-16-148410-0, id 20261128140322",
        "Gr12 is the size of the box that we have, open 08-12 13-18 daily",
        "version 1.2.3.4 of 999.999.999.999, coords 52.5200, 13.4050",
        "amazon 404-1234567-1234567, 12 new items, 3 Google Drive links",
        "std::vector, a[::2], 14:03:22, 00:1A:2B:3C:4D:5E",
        "https://shop.example/boots?size=42&colour=red and https://shop.example/reset/help",
        "call about order 4500123456; https://git.example/commit/0a1b2c3d4e5f60718293",
    ],
)
def test_numbers_of_things_dates_and_prices_stay(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("iban gb82west12345698765432", "iban [iban]"),
        ("box DE12 and to DE89 3704 0044 0532 0130 00", "box DE12 and to [iban]"),
        ("with a slip, DE89 3704 0044 0532 0130 01", "with a slip, [iban]"),
        ("NO93 8601 1117 947 now", "[iban] now"),
        ("FR14 2004 1010 0505 0001 3M02 606 and more", "[iban] and more"),
        ("amex 3782 822463 10005", "amex [card number]"),
        ("tel:+4915112345678", "tel:[phone]"),
        ("from 2001:db8:85a3::8a2e:370:7334", "from [ip address]"),
        ("see https://x.example/r?reset_token=abcdef1234567890&u=1 now", "see [link with a password] now"),
        ("https://s3.example/f?X-Amz-Signature=abcdef0123456789", "[link with a password]"),
        ("https://x.example/password/reset/9f8e7d6c5b4a3928170f now", "[link with a password] now"),
        ("ann [at] example [dot] com", "[email]"),
        ("at 12 Baker Street, London NW1 6XE", "at [street address]"),
        ("to 1600 Pennsylvania Avenue, Washington, DC 20500", "to [street address]"),
        ("Musterstraße 12, 10115 Berlin.", "[street address]."),
        ("Lange Str. 4b is it", "[street address] is it"),
        ("12 bis, rue de la Paix, svp", "[street address], svp"),
        ("Calle de Alcalá 42 y Via Roma 7", "[street address] y [street address 2]"),
        ("Keizersgracht 174, 1016 DW Amsterdam", "[street address]"),
        ("SSN 123-45-6789", "SSN [social security number]"),
    ],
)
def test_accounts_links_and_addresses_are_known_by_their_form(text: str, said: str) -> None:
    assert masked(text) == said


def test_values_of_personal_variables_are_masked_as_whole_words() -> None:
    variables = [("customer_name", "Art"), ("plan", "gold"), ("name", "Al")]

    assert masked("Art buys art and articles; gold plan", *variables) == (
        "[customer_name] buys art and articles; gold plan"
    )


@pytest.mark.parametrize(
    ("name", "value", "personal"),
    [
        ("customer", "Ann Lee", True),
        ("User", "Dr. Jan van Dyck", True),
        ("customer", "premium", False),
        ("customer", "Gold", False),
        ("topic", "Late Order", False),
    ],
)
def test_a_whole_name_is_one_where_a_variable_is_called_as_people_are(name: str, value: str, personal: bool) -> None:
    last = value.split()[-1]
    said = masked(f"This is {value}. Thanks, {last}.", (name, value))
    assert said == ("This is [name]. Thanks, [name]." if personal else f"This is {value}. Thanks, {last}.")


def test_one_value_has_one_mark_in_a_conversation_and_another_has_another() -> None:
    mask = Masker().conversation()

    assert mask.text("from ann@x.com to bob@y.com") == "from [email] to [email 2]"
    assert mask.text("BOB@y.com, 030 1234567") == "[email 2], [phone]"
    assert mask.text("030/123 4567, 030 1234568") == "[phone], [phone 2]"
    assert Masker().conversation().text("bob@y.com") == "[email]"


def test_a_name_is_found_in_any_case_and_in_the_parts_people_use() -> None:
    said = masked("ANN LEE, ann lee; thanks, Ann! Dear Ms. Lee, an annual lee", ("name", "Dr. Ann Lee"))

    assert said == "[name], [name]; thanks, [name]! Dear Ms. [name], an annual lee"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Ødegård, Per", "Per Ødegård; Ødegård, Per; hello Ødegård, dear PER"),
        ("Ann O'Hara", "Ms. O'Hara, Mr O’Hara, O'HARA"),
        ("lena vogt", "Lena Vogt; hello Lena, Frau Vogt"),
        ("LENA VOGT", "lena vogt; hello Lena, Frau VOGT"),
        ("José Núñez-Ruiz", "José, Núñez-Ruiz"),
    ],
)
def test_no_way_of_writing_a_name_leaves_a_part_of_it(name: str, said: str) -> None:
    shown = masked(said, ("name", name))
    assert not any(part.strip(",").casefold() in shown.casefold().replace("[name]", "") for part in name.split()), shown


def test_what_stands_between_names_in_small_letters_is_none() -> None:
    assert masked("van, Van, Dyck", ("name", "Jan van Dyck")) == "van, Van, [name]"


def test_listed_names_are_masked_in_every_conversation() -> None:
    masker = Masker(names=("Ann Lee", "May"))

    assert masker.conversation().text("ann lee met May; you may go, Ann") == "[name] met [name 2]; you may go, [name]"
    assert masker.conversation([("user_name", "Bo Li")]).text("Bo Li, May") == "[user_name], [name]"
    assert "masked 4 names" in masker.said()


def test_what_was_masked_is_counted_in_the_plural() -> None:
    masker = Masker()
    masker.conversation().text("I live at 12 High Street; my office is at 7 Low Street.")

    assert "masked 2 street addresses;" in masker.said()


def test_slots_of_a_template_stay_whatever_a_customer_is_called() -> None:
    text = "name: {{name}} {{ name }} {name} ${name} {% if name %}{{ name | upper }}{% endif %}"

    assert masked(text, ("name", "name")) == text.replace("name:", "[name]:")


def test_what_the_prompt_itself_says_stays() -> None:
    own = "Write to Help@acme.com or call 030 1234567."

    assert masked("help@acme.com, 030 1234567, ann@acme.com", own=own) == "help@acme.com, 030 1234567, [email]"
    assert masked("HELP@ACME.COM, Ann@acme.com", own=own) == "HELP@ACME.COM, [email]"


def test_a_message_is_masked_with_the_arguments_of_its_calls_and_without_who_speaks() -> None:
    mask = Masker(names=("Ann Lee",)).conversation()
    calls = (ToolCall("find", '{"mail": "ann@x.com", "id": 3}'),)

    said = mask.message(Message("assistant", "Of Ann Lee: bob@y.com", tool_calls=calls, name="Bob"))
    assert [each.arguments for each in said.tool_calls] == ['{"mail": "[email]", "id": 3}']
    assert (said.content, said.name) == ("Of [name]: [email 2]", "")
    assert mask.message(Message("tool", "3", name="find")).name == "find"


def test_a_conversation_that_is_named_by_its_customer_has_a_number_of_its_own_in_all_rows() -> None:
    masker = Masker()
    mask = masker.conversation()

    named = [masker.group(name, mask) for name in ("ann@x.com", "chat 7", "bob@y.com", "ann@x.com", "chat 7")]
    assert named == ["masked 1", "chat 7", "masked 3", "masked 1", "chat 7"]


@pytest.mark.parametrize(
    "text",
    [
        "+10 000 000 units were sold", "profit +1 250 000 EUR", "+12.500.000 euros", "up +3 400 000 (12 %)",
        "(+2 000 000) this year", "a change of +123456789 bytes", "+1000000 points", "+100 000 000 people",
        "lot 00123456789",
    ],
)  # fmt: skip
def test_a_quantity_with_a_sign_is_no_telephone(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("+376 312 345", "[phone]"), ("+420 777 123 456", "[phone]"), ("+49 711 123 456", "[phone]"),
        ("+12025550143", "[phone]"), ("030 / 12345678", "[phone]"), ("Llámame al 612 345 678", "Llámame al [phone]"),
        ("携帯は090-1234-5678です", "携帯は[phone]です"), ("账号DE89370400440532013000。", "账号[iban]。"),
        ("卡号4111111111111111谢谢", "卡号[card number]谢谢"),
    ],
)  # fmt: skip
def test_numbers_are_found_between_letters_of_any_script(text: str, said: str) -> None:
    assert masked(text) == said


@ends
@pytest.mark.parametrize(
    ("piece", "said"),
    [
        ("Ann Smith asked Ann about {{name}} [order] ", "[name] asked [name] about {{name}} [order] "),
        ("{{name}} Ann Smith ", "{{name}} [name] "),
        ("-----BEGIN PRIVATE KEY-----1 ", "[key]1 "),
    ],
)
def test_a_long_text_takes_as_long_as_its_parts_do(piece: str, said: str) -> None:
    times = 2 * LONG // len(piece)
    mask = Masker().conversation([("name", "Ann Smith")])

    assert mask.text(piece * times) == said * times
