"""Frames of the task `word-problems` about things, people, distances and time.

Quotients are drawn first and multiplied out, so that whole answers are whole by construction.
"""

from __future__ import annotations

import random
from fractions import Fraction

from promptopt.tasks.library.story import Earlier, Frame, Step, Story, capital, dollars, many, people, story_text


def journey(rng: random.Random) -> Story:
    """Two legs at two speeds: the whole distance, or the whole time with a break."""
    who = people(rng)[0]
    vehicle, low, high = rng.choice((("drives", 10, 22), ("cycles", 2, 5), ("travels by coach", 10, 18)))
    speed, speed2 = 5 * rng.randint(low, high), 5 * rng.randint(low, high)
    hours, hours2, pause = rng.randint(2, 6), rng.randint(2, 5), rng.randrange(10, 55, 5)
    asides = [
        f"The luggage weighs {many(rng.randint(6, 30), 'kilogram')}.",
        f"It is {many(rng.randint(9, 31), 'degree')} outside.",
        f"{who.name} is {rng.randint(19, 70)} years old.",
    ]
    if rng.random() < 0.5:
        facts = [
            f"{who.name} {vehicle} for {many(hours, 'hour')} at {speed} kilometres per hour.",
            f"After a break of {pause} minutes {who.they} goes on for {many(hours2, 'hour')} "
            f"at {speed2} kilometres per hour.",
        ]
        steps: list[Step] = [(hours, "*", speed), (hours2, "*", speed2), (Earlier(0), "+", Earlier(1))]
        question = f"How many kilometres does {who.name} cover altogether?"
        return story_text(rng, facts, asides, question, steps, hours * speed + hours2 * speed2)
    facts = [
        f"{who.name} {vehicle} {many(hours * speed, 'kilometre')} at {speed} kilometres per hour.",
        f"After a break of {pause} minutes {who.they} covers another {many(hours2 * speed2, 'kilometre')} "
        f"at {speed2} kilometres per hour.",
    ]
    steps = [(hours * speed, "/", speed), (hours2 * speed2, "/", speed2), (Earlier(0), "+", Earlier(1))]
    steps.extend([(Earlier(2), "*", 60), (Earlier(3), "+", pause)])
    question = "How many minutes does the whole journey take, the break included?"
    return story_text(rng, facts, asides, question, steps, (hours + hours2) * 60 + pause)


def sharing(rng: random.Random) -> Story:
    """Packs of something, a part kept, the rest shared equally."""
    who = people(rng)[0]
    thing, pack = rng.choice(
        (("marble", "bag"), ("sticker", "packet"), ("bead", "jar"), ("playing card", "set"), ("pencil", "box"))
    )
    friends, share = rng.randint(3, 12), rng.randint(4, 40)
    packs = rng.randint(3, 9)
    per_pack = (friends * share) // packs + rng.randint(2, 6)
    kept = packs * per_pack - friends * share
    plural = "boxes" if pack == "box" else ""
    facts = [
        f"{who.name} has {many(packs, pack, plural)} with {many(per_pack, thing)} in each.",
        f"{capital(who.they)} keeps {many(kept, thing)} and shares the rest equally among {many(friends, 'friend')}.",
    ]
    steps: list[Step] = [(packs, "*", per_pack), (Earlier(0), "-", kept), (Earlier(1), "/", friends)]
    asides = [
        f"The {plural if plural else pack + 's'} cost {dollars(rng.randint(8, 45))} in all.",
        f"{rng.choice(('Last summer', 'A year ago'))} {who.name} owned {many(rng.randint(10, 90), thing)}.",
    ]
    if rng.random() < 0.5:
        return story_text(rng, facts, asides, f"How many {thing}s does each friend get?", steps, share)
    lost = rng.randint(1, share - 2)
    facts.append(f"The oldest of the friends loses {lost} of them.")
    steps.append((Earlier(2), "-", lost))
    return story_text(
        rng, facts, asides, f"How many of these {thing}s does the oldest friend have left?", steps, share - lost
    )


def library(rng: random.Random) -> Story:
    """Books on shelves, lent, returned and bought."""
    shelves, per_shelf = rng.randint(12, 80), rng.randint(20, 60)
    lent = rng.randint(40, shelves * per_shelf // 3)
    back, bought = rng.randint(10, lent - 5), rng.randint(12, 150)
    month = rng.choice(("March", "June", "October"))
    place = rng.choice(("The town library", "A school library", "The library of a small college"))
    facts = [
        f"{place} has {many(shelves, 'full shelf', 'full shelves')} with {many(per_shelf, 'book')} on each.",
        f"In {month}, {many(lent, 'book')} are lent out.",
    ]
    asides = [
        f"The library has {many(rng.randint(200, 4000), 'reader')}.",
        f"A reader may borrow up to {many(rng.randint(3, 12), 'book')} at a time.",
        f"The building was put up in {rng.randint(1880, 1990)}.",
    ]
    steps: list[Step] = [(shelves, "*", per_shelf), (Earlier(0), "-", lent)]
    left = shelves * per_shelf - lent
    if rng.random() < 0.3:
        return story_text(rng, facts, asides, "How many books stay on the shelves?", steps, left)
    facts.append(f"Before the end of {month}, {back} of these come back.")
    steps.append((Earlier(1), "+", back))
    left += back
    if rng.random() < 0.5:
        return story_text(rng, facts, asides, "How many books are on the shelves at the end of the month?", steps, left)
    facts.append(f"On the last day {many(bought, 'new book')} are put on the shelves as well.")
    steps.append((Earlier(2), "+", bought))
    return story_text(rng, facts, asides, "How many books are on the shelves after that?", steps, left + bought)


def reading(rng: random.Random) -> Story:
    """A book read at one pace, then at another."""
    who = people(rng)[0]
    slow, fast, days, rest = rng.randint(8, 40), rng.randint(15, 60), rng.randint(3, 12), rng.randint(3, 15)
    pages = slow * days + fast * rest
    facts = [
        f"{who.name} is reading a book of {many(pages, 'page')}.",
        f"For {many(days, 'day')} {who.they} reads {slow} pages a day, and from then on {fast} pages a day.",
    ]
    asides = [
        f"The book has {many(rng.randint(8, 40), 'chapter')}.",
        f"The book cost {dollars(rng.randint(8, 30))}.",
        f"{who.name} has read {many(rng.randint(3, 20), 'other book')} this year.",
    ]
    steps: list[Step] = [(days, "*", slow), (pages, "-", Earlier(0)), (Earlier(1), "/", fast)]
    if rng.random() < 0.5:
        steps.append((Earlier(2), "+", days))
        return story_text(rng, facts, asides, "How many days does the whole book take?", steps, days + rest)
    question = f"How many more days does {who.name} need at the new pace to finish the book?"
    return story_text(rng, facts, asides, question, steps, rest)


def printing(rng: random.Random) -> Story:
    """Two printers at work on one order."""
    who = people(rng)[0]
    speed, speed2, minutes, more = rng.randint(12, 60), rng.randint(12, 60), rng.randint(5, 30), rng.randint(5, 40)
    pages = (speed + speed2) * (minutes + more)
    facts = [
        f"{who.name} has to print {many(pages, 'page')} on two printers.",
        f"One prints {speed} pages a minute, the other {speed2} pages a minute, and both are started together.",
    ]
    asides = [
        f"Each printer holds {rng.randrange(200, 600, 50)} sheets of paper.",
        f"The office has {many(rng.randint(4, 30), 'desk')}.",
        f"A sheet weighs {many(rng.randint(4, 6), 'gram')}.",
    ]
    steps: list[Step] = [(speed, "+", speed2)]
    if rng.random() < 0.5:
        steps.extend([(Earlier(0), "*", minutes), (pages, "-", Earlier(1))])
        question = f"How many pages are still to be printed after {many(minutes, 'minute')}?"
        return story_text(rng, facts, asides, question, steps, (speed + speed2) * more)
    facts.append(f"Before that, {who.name} spends {many(minutes, 'minute')} on cleaning them.")
    steps.extend([(pages, "/", Earlier(0)), (Earlier(1), "+", minutes)])
    question = "How many minutes pass from the start of the cleaning to the last page?"
    return story_text(rng, facts, asides, question, steps, minutes + more + minutes)


def tank(rng: random.Random) -> Story:
    """A tank that fills and leaks at once."""
    fill, leak = rng.randint(12, 60), rng.randint(2, 10)
    minutes, start, later = rng.randint(8, 60), rng.randint(20, 400), rng.randint(5, 90)
    level = start + (fill - leak) * minutes
    place = rng.choice(("A water tank", "A garden pond", "A rain barrel", "A fish pool"))
    facts = [
        f"{place} holds {many(start, 'litre')} of water at noon.",
        f"From then on {many(fill, 'litre')} a minute run in through a hose "
        f"while {many(leak, 'litre')} a minute leak out.",
    ]
    asides = [
        f"The hose is {many(rng.randint(3, 30), 'metre')} long.",
        f"The water is {many(rng.randint(8, 19), 'degree')} warm.",
        f"It has rained on {many(rng.randint(2, 9), 'day')} this month.",
    ]
    if rng.random() < 0.5:
        steps: list[Step] = [(fill, "-", leak), (Earlier(0), "*", minutes), (Earlier(1), "+", start)]
        question = f"How many litres are in it after {many(minutes, 'minute')}?"
        if rng.random() < 0.5:
            return story_text(rng, facts, asides, question, steps, level)
        facts.append(f"After {many(minutes, 'minute')}, {many(later, 'litre')} are taken out for the flowers.")
        steps.append((Earlier(2), "-", later))
        return story_text(rng, facts, asides, "How many litres are left in it then?", steps, level - later)
    facts.append(f"It is full at {many(level, 'litre')}.")
    steps = [(fill, "-", leak), (level, "-", start), (Earlier(1), "/", Earlier(0))]
    return story_text(rng, facts, asides, "How many minutes after noon is it full?", steps, minutes)


def school(rng: random.Random) -> Story:
    """A fraction of the pupils, and a percentage of those who remain."""
    top, bottom, words = rng.choice(
        ((1, 2, "Half"), (1, 4, "A quarter"), (3, 4, "Three quarters"), (2, 5, "Two fifths"), (1, 3, "A third"))
    )
    percent = rng.choice((10, 20, 30, 40, 60, 70))
    pupils = bottom * 10 * rng.randint(3, 30)
    others = pupils * (bottom - top) // bottom
    walking = others * percent // 100
    facts = [
        f"A school has {many(pupils, 'pupil')}.",
        f"{words} of them come by bus, and of the others {percent}% walk.",
    ]
    asides = [
        f"There are {many(rng.randint(9, 60), 'teacher')}.",
        f"The bus takes {many(rng.randint(10, 50), 'minute')}.",
        f"Lessons begin at {rng.randint(7, 9)} in the morning.",
    ]
    steps: list[Step] = [
        (pupils, "*", Fraction(top, bottom)),
        (pupils, "-", Earlier(0)),
        (Earlier(1), "*", Fraction(percent, 100)),
    ]
    if rng.random() < 0.5:
        return story_text(rng, facts, asides, "How many pupils walk to school?", steps, walking)
    facts.append("All the rest cycle.")
    steps.append((Earlier(1), "-", Earlier(2)))
    return story_text(rng, facts, asides, "How many pupils cycle to school?", steps, others - walking)


def factory(rng: random.Random) -> Story:
    """Machines, a share of faulty pieces, and what is shipped."""
    machines, hours = rng.randint(3, 15), rng.randint(4, 12)
    rate, percent = 20 * rng.randint(2, 15), rng.choice((5, 10, 15, 20))
    thing = rng.choice(("bottle", "toy car", "light bulb", "door handle", "bicycle bell"))
    made = machines * rate * hours
    sound = made - made * percent // 100
    order = rng.randint(sound // 3, sound - 20)
    facts = [
        f"A factory has {many(machines, 'machine')}, each of which makes {many(rate, thing)} an hour.",
        f"They run for {many(hours, 'hour')}. {percent}% of all the {thing}s turn out to be faulty and are not used.",
    ]
    asides = [
        f"The factory employs {many(rng.randint(30, 400), 'person', 'people')}.",
        f"The oldest machine is {many(rng.randint(8, 40), 'year')} old.",
        f"Last week one of the machines was out of order for {many(rng.randint(2, 30), 'hour')}.",
    ]
    steps: list[Step] = [
        (machines, "*", rate),
        (Earlier(0), "*", hours),
        (Earlier(1), "*", Fraction(percent, 100)),
        (Earlier(1), "-", Earlier(2)),
    ]
    if rng.random() < 0.5:
        return story_text(rng, facts, asides, f"How many {thing}s can be used?", steps, sound)
    facts.append(f"A customer takes {order:,} of the good ones.")
    steps.append((Earlier(3), "-", order))
    return story_text(rng, facts, asides, f"How many good {thing}s are left?", steps, sound - order)


def ages(rng: random.Random) -> Story:
    """Ages that are compared, summed and moved in time."""
    child, parent, third = people(rng, 3)
    age, times, older, years = rng.randint(5, 13), rng.randint(3, 5), rng.randint(2, 9), rng.randint(3, 15)
    facts = [
        f"{child.name} is {age} years old. {parent.name} is {times} times as old as {child.name}.",
        f"{third.name} is {many(older, 'year')} older than {child.name}.",
    ]
    asides = [
        f"They live at number {rng.randint(14, 180)} of a quiet street.",
        f"The family dog is {many(rng.randint(2, 12), 'year')} old.",
    ]
    if rng.random() < 0.5:
        steps: list[Step] = [(age, "*", times), (age, "+", older), (Earlier(0), "-", Earlier(1))]
        question = f"How many years older is {parent.name} than {third.name}?"
        if age * (times - 1) > older:
            return story_text(rng, facts, asides, question, steps, age * (times - 1) - older)
    steps = [
        (age, "*", times),
        (age, "+", older),
        (Earlier(0), "+", Earlier(1)),
        (years, "*", 2),
        (Earlier(2), "+", Earlier(3)),
    ]
    question = f"What will the ages of {parent.name} and {third.name} add up to in {many(years, 'year')}?"
    return story_text(rng, facts, asides, question, steps, age * (times + 1) + older + 2 * years)


FRAMES: tuple[Frame, ...] = (journey, sharing, library, reading, printing, tank, school, factory, ages)
"""Every frame of this file, in a fixed order."""
