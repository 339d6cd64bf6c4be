"""Frames of the task `word-problems` in which something is bought, sold, earned or saved.

Quotients are drawn first and multiplied out, so that whole answers are whole by construction.
"""

from __future__ import annotations

import random
from fractions import Fraction

from promptopt.tasks.library.story import Earlier, Frame, Step, Story, capital, dollars, many, people, story_text


def shopping(rng: random.Random) -> Story:
    """Two kinds of goods, a discount, and perhaps the change."""
    who = people(rng)[0]
    one, other = rng.sample(("notebook", "lamp", "cushion", "mug", "towel", "candle", "basket", "vase"), 2)
    count, price, count2, price2 = rng.randint(2, 9), rng.randint(3, 24), rng.randint(2, 8), rng.randint(4, 30)
    percent = rng.choice((5, 10, 15, 20, 25, 30))
    total = count * price + count2 * price2
    paid = total - Fraction(total * percent, 100)
    steps: list[Step] = [(count, "*", price), (count2, "*", price2), (Earlier(0), "+", Earlier(1))]
    steps.extend([(Earlier(2), "*", 1 - Fraction(percent, 100))])
    facts = [
        f"{who.name} buys {many(count, one)} at {dollars(price)} each "
        f"and {many(count2, other)} at {dollars(price2)} each.",
        rng.choice(
            (
                f"At the till {who.they} gets {percent}% off the whole bill.",
                f"A voucher takes {percent}% off the total.",
            )
        ),
    ]
    asides = [
        f"The shop is open until {rng.randint(6, 9)} in the evening.",
        f"The street has {many(rng.randint(11, 40), 'other shop')}.",
        f"A week ago the price of one {other} was {dollars(price2 + rng.randint(1, 9))}.",
    ]
    if rng.random() < 0.5:
        return story_text(rng, facts, asides, f"How many dollars does {who.name} pay?", steps, paid)
    notes = 50 * (int(paid) // 50 + 1)
    steps.append((notes, "-", Earlier(3)))
    facts.append(f"{capital(who.they)} hands over {dollars(notes)} in cash.")
    return story_text(rng, facts, asides, f"How many dollars does {who.name} get back?", steps, notes - paid)


def bakery(rng: random.Random) -> Story:
    """Trays of rolls, some spoilt, packed in bags and perhaps sold."""
    good, noun = rng.choice((("roll", "bakery"), ("muffin", "café"), ("bun", "bakery"), ("cookie", "school kitchen")))
    per_bag, trays, price = rng.randint(3, 12), rng.randint(4, 18), rng.randint(2, 9)
    bags = rng.randint(trays, 4 * trays)
    per_tray = per_bag * bags // trays + rng.randint(1, 4)
    spoilt = trays * per_tray - per_bag * bags
    facts = [
        f"A {noun} puts {many(trays, 'tray')} of {good}s in the oven, with {many(per_tray, good)} on every tray.",
        f"{many(spoilt, good)} {'is' if spoilt == 1 else 'are'} burnt and thrown away.",
    ]
    steps: list[Step] = [(trays, "*", per_tray), (Earlier(0), "-", spoilt)]
    asides = [
        f"The oven is heated to {rng.randrange(170, 240, 10)} degrees.",
        f"The dough for the {good}s has rested for {many(rng.randint(2, 14), 'hour')}.",
        f"Yesterday {many(rng.randint(20, 80), 'bag')} were filled.",
    ]
    if rng.random() < 0.3:
        return story_text(rng, facts, asides, f"How many good {good}s are there?", steps, per_bag * bags)
    facts.append(f"The rest are packed in bags of {per_bag}.")
    steps.append((Earlier(1), "/", per_bag))
    if rng.random() < 0.4:
        return story_text(rng, facts, asides, "How many bags are filled?", steps, bags)
    facts.append(f"Each bag is sold for {dollars(price)}.")
    steps.append((Earlier(2), "*", price))
    return story_text(rng, facts, asides, "If every bag is sold, how many dollars come in?", steps, bags * price)


def savings(rng: random.Random) -> Story:
    """Money put aside every week for something dear."""
    who = people(rng)[0]
    dear = rng.choice(("a bicycle", "a guitar", "a camera", "a tent", "a sewing machine", "a telescope"))
    start, weekly, present = rng.randint(15, 120), rng.randint(6, 35), rng.randint(10, 60)
    weeks = rng.randint(5, 24)
    price = start + weekly * weeks + present
    facts = [f"{who.name} has {dollars(start)} and puts aside {dollars(weekly)} every week for {dear}."]
    asides = [
        f"The nearest shop is {many(rng.randint(2, 15), 'kilometre')} away.",
        f"{capital(who.their)} cousin, who is {rng.randint(21, 40)}, bought one {many(rng.randint(2, 9), 'year')} ago.",
    ]
    if rng.random() < 0.5:
        facts.append(
            f"For {who.their} birthday {who.they} gets another {dollars(present)}. The price is {dollars(price)}."
        )
        steps: list[Step] = [(price, "-", start), (Earlier(0), "-", present), (Earlier(1), "/", weekly)]
        question = f"For how many weeks must {who.name} save to have exactly enough?"
        return story_text(rng, facts, asides, question, steps, weeks)
    spent = rng.randint(5, weekly * weeks // 2)
    facts.append(
        f"After {many(weeks, 'week')} {who.they} takes out {dollars(spent)} for a repair "
        f"and then gets {dollars(present)} from an aunt."
    )
    steps = [(weekly, "*", weeks), (Earlier(0), "+", start), (Earlier(1), "-", spent), (Earlier(2), "+", present)]
    return story_text(rng, facts, asides, f"How many dollars does {who.name} have then?", steps, price - spent)


def farm(rng: random.Random) -> Story:
    """Eggs of two hen houses over several days, some eaten, the rest packed and perhaps sold."""
    who = people(rng)[0]
    eggs, eggs2, days, price = rng.randint(18, 90), rng.randint(12, 70), rng.randint(4, 14), rng.randint(2, 7)
    per_box = rng.choice((6, 10, 12))
    eaten = (eggs + eggs2) * days % per_box + per_box * rng.randint(1, 3)
    boxes = ((eggs + eggs2) * days - eaten) // per_box
    facts = [
        f"Every day {who.name} collects {many(eggs, 'egg')} from one hen house and {many(eggs2, 'egg')} from another.",
        f"Over {many(days, 'day')} {who.their} family eats {eaten} of them; "
        f"all the others are packed in boxes of {per_box}.",
    ]
    steps: list[Step] = [
        (eggs, "+", eggs2),
        (Earlier(0), "*", days),
        (Earlier(1), "-", eaten),
        (Earlier(2), "/", per_box),
    ]
    asides = [
        f"The hens eat {many(rng.randint(3, 20), 'kilogram')} of grain a day.",
        f"There are also {many(rng.randint(5, 30), 'goat')} on the farm.",
        f"The farm has been in the family for {many(rng.randint(20, 150), 'year')}.",
    ]
    if rng.random() < 0.6:
        return story_text(rng, facts, asides, "How many boxes are filled in that time?", steps, boxes)
    facts.append(f"Each box is sold for {dollars(price)}.")
    steps.append((Earlier(3), "*", price))
    return story_text(rng, facts, asides, "How many dollars do all the boxes bring?", steps, boxes * price)


def theatre(rng: random.Random) -> Story:
    """Rows of seats, some kept free, and the tickets' takings."""
    rows, seats, price = rng.randint(8, 40), rng.randint(10, 36), rng.randint(6, 45)
    free, empty = rng.randint(5, rows * seats // 4), rng.randint(3, rows * seats // 4)
    sold = rows * seats - free - empty
    place, event = rng.choice(
        (("A theatre", "play"), ("A cinema", "film"), ("A concert hall", "concert"), ("A circus tent", "show"))
    )
    facts = [
        f"{place} has {many(rows, 'row')} of {many(seats, 'seat')}.",
        f"For tonight's {event} {many(free, 'seat')} are kept for guests who do not pay; "
        f"of the others {empty} stay empty.",
    ]
    asides = [
        f"The {event} lasts {many(rng.randint(65, 170), 'minute')}.",
        f"Last night {many(rng.randint(60, 400), 'ticket')} were sold.",
        f"A programme costs {dollars(rng.randint(1, 5))}.",
    ]
    steps: list[Step] = [(rows, "*", seats), (Earlier(0), "-", free), (Earlier(1), "-", empty)]
    if rng.random() < 0.4:
        return story_text(rng, facts, asides, "How many tickets are sold?", steps, sold)
    facts.append(f"A ticket costs {dollars(price)}.")
    steps.append((Earlier(2), "*", price))
    return story_text(rng, facts, asides, "How many dollars are taken for tickets?", steps, sold * price)


def wages(rng: random.Random) -> Story:
    """A week's work with overtime."""
    who = people(rng)[0]
    days, hours, wage = rng.randint(3, 6), rng.randint(4, 9), rng.randint(11, 32)
    extra, bonus, uniform = rng.randint(2, 9), rng.randint(2, 9), rng.randint(5, 30)
    job = rng.choice(
        ("in a garden centre", "at a petrol station", "in a hotel kitchen", "as a lifeguard", "in a warehouse")
    )
    facts = [
        f"{who.name} works {job} for {dollars(wage)} an hour, {many(hours, 'hour')} a day on {days} days of the week.",
        f"This week {who.they} also works {many(extra, 'hour')} of overtime, "
        f"each paid {dollars(bonus)} more than a normal hour.",
    ]
    steps: list[Step] = [(days, "*", hours), (Earlier(0), "*", wage), (wage, "+", bonus), (extra, "*", Earlier(2))]
    steps.append((Earlier(1), "+", Earlier(3)))
    earned = wage * (days * hours + extra) + extra * bonus
    asides = [
        f"The way to work takes {many(rng.randint(10, 55), 'minute')}.",
        f"{who.name} has worked there for {many(rng.randint(2, 11), 'month')}.",
        f"A new uniform costs {dollars(uniform)}, which the employer pays.",
    ]
    return story_text(rng, facts, asides, f"How many dollars does {who.name} earn this week?", steps, earned)


def taxi(rng: random.Random) -> Story:
    """A fare in dollars and cents, shared by the passengers."""
    who = people(rng)[0]
    riders, distance, base = rng.randint(2, 5), rng.randint(4, 40), Fraction(rng.randrange(250, 600, 10), 100)
    rate = Fraction(rng.randrange(110, 290, 10), 100)
    tip = -(base + distance * rate) % Fraction(riders, 10) + Fraction(rng.randint(2, 12) * riders, 10)
    whole = base + distance * rate + tip
    facts = [
        f"A taxi costs {dollars(base)} to start with and {dollars(rate)} for every kilometre.",
        f"{who.name} takes it for {many(distance, 'kilometre')} and adds a tip of {dollars(tip)}.",
    ]
    steps: list[Step] = [(distance, "*", rate), (Earlier(0), "+", base), (Earlier(1), "+", tip)]
    asides = [
        f"The bus would have taken {many(rng.randint(20, 90), 'minute')}.",
        f"The driver has been at the wheel for {many(rng.randint(2, 9), 'hour')}.",
    ]
    if rng.random() < 0.4:
        return story_text(rng, facts, asides, f"How many dollars does {who.name} pay in total?", steps, whole)
    facts.append(f"The {riders} people in the taxi, {who.name} among them, share the whole sum equally.")
    steps.append((Earlier(2), "/", riders))
    return story_text(rng, facts, asides, "How many dollars does each of them pay?", steps, whole / riders)


def fence(rng: random.Random) -> Story:
    """The fence around a field, or the tiles of a terrace."""
    who = people(rng)[0]
    length, width, price, gate = rng.randint(8, 60), rng.randint(5, 40), rng.randint(4, 25), rng.randint(2, 4)
    asides = [
        f"The hedge next to it is {many(rng.randint(50, 230), 'centimetre')} high.",
        f"The work takes {many(rng.randint(2, 9), 'day')}.",
        f"{who.name} bought the land {many(rng.randint(2, 19), 'year')} ago.",
    ]
    if rng.random() < 0.5:
        metres = 2 * (length + width) - gate
        facts = [
            f"{who.name} puts a fence around a rectangular {rng.choice(('field', 'garden', 'yard'))} "
            f"that is {length} metres long and {width} metres wide.",
            f"A gap of {gate} metres is left for the gate. The fence costs {dollars(price)} a metre.",
        ]
        steps: list[Step] = [
            (length, "+", width),
            (Earlier(0), "*", 2),
            (Earlier(1), "-", gate),
            (Earlier(2), "*", price),
        ]
        return story_text(rng, facts, asides, "How many dollars does the fence cost?", steps, metres * price)
    length, width, per_metre, spare = rng.randint(5, 18), rng.randint(3, 12), rng.choice((4, 9, 16)), rng.randint(5, 40)
    facts = [
        f"{who.name} lays tiles on a rectangular terrace that is {length} metres long and {width} metres wide.",
        f"One square metre takes {per_metre} tiles, and {who.they} buys {spare} more than needed as spares.",
    ]
    steps = [(length, "*", width), (Earlier(0), "*", per_metre), (Earlier(1), "+", spare)]
    return story_text(
        rng, facts, asides, f"How many tiles does {who.name} buy?", steps, length * width * per_metre + spare
    )


FRAMES: tuple[Frame, ...] = (shopping, bakery, savings, farm, theatre, wages, taxi, fence)
"""Every frame of this file, in a fixed order."""
