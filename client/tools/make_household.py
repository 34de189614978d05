"""Write sql/seed/household.csv, a family's year of 2025 in three currencies; --check compares.

Made up by dice with a fixed seed. Only `Random.random()` is drawn from, the one method that Python
promises to keep, so every version writes the same file.
"""

from __future__ import annotations

import csv
import io
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

TARGET = Path(__file__).parents[2] / "sql" / "seed" / "household.csv"
SEED = 20250101
FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
SHUT = {(1, 1), (1, 6), (4, 18), (4, 21), (5, 1), (5, 29), (6, 9), (10, 3), (12, 25), (12, 26)}
PLACES = {"EUR": 2, "JPY": 0, "KWD": 3}

BANK, SAVINGS, CARD = "assets:bank:checking", "assets:bank:savings", "liabilities:card"
CASH, YEN, SUICA = "assets:cash:eur", "assets:cash:jpy", "assets:transit-card:jpy"
KUWAIT, DINARS = "assets:bank:kwd", "assets:cash:kwd"

# Day of the month, from, to, amount in EUR, description; every month.
MONTHLY = [
    (1, BANK, "expenses:rent", 1180.00, "Rent, Lindenstrasse 14"),
    (1, BANK, "expenses:childcare", 245.00, "Kindergarten"),
    (2, BANK, SAVINGS, 650.00, "Standing order to savings"),
    (3, BANK, "expenses:electricity", 92.00, "Electricity, monthly instalment"),
    (3, BANK, "expenses:heating", 118.00, "District heating"),
    (5, BANK, "liabilities:loan:car", 189.50, "Car loan instalment"),
    (6, BANK, "expenses:internet", 39.95, "Fibre line"),
    (8, BANK, "expenses:phone", 14.99, "Mobile, Nora"),
    (8, BANK, "expenses:phone", 9.99, "Mobile, Tariq"),
    (10, BANK, "expenses:insurance", 31.40, "Liability and household insurance"),
    (10, BANK, "expenses:insurance", 54.80, "Car insurance"),
    (12, CARD, "expenses:subscriptions", 12.99, "Film streaming"),
    (14, CARD, "expenses:subscriptions", 10.99, "Music streaming"),
    (15, CARD, "expenses:subscriptions", 28.50, "Newspaper, weekend edition"),
    (17, CARD, "expenses:sport", 34.00, "Climbing hall, ten visits"),
    (18, BANK, "expenses:children", 42.00, "Music school, Mila"),
    (20, BANK, "expenses:children", 25.00, "Swimming club, Jonas"),
    (28, "income:salary:nora", BANK, 2684.17, "Salary, city library"),
    (28, "income:child-benefit", BANK, 510.00, "Child benefit"),
    (30, "income:salary:tariq", BANK, 1938.60, "Salary, engineering office"),
    (30, BANK, "expenses:bank-fees", 4.90, "Account fee"),
]

# Chance a day, weekdays it happens on (0 is Monday), from, to, least and most, descriptions.
DAILY = [
    (0.56, "0123456", CASH, "expenses:groceries", 2.10, 9.80, ["Bakery on the corner", "Rolls"]),
    (0.95, "5", CARD, "expenses:groceries", 72.00, 148.00, ["Weekly shop", "Weekly shop, pantry"]),
    (0.55, "13", BANK, "expenses:groceries", 14.00, 46.00, ["Supermarket", "Organic grocer"]),
    (0.80, "6", CASH, "expenses:groceries", 8.50, 27.00, ["Farmers' market", "Cheese stall"]),
    (0.74, "01234", BANK, "expenses:eating-out", 7.40, 13.90, ["Canteen", "Lunch, noodle bar"]),
    (0.50, "01234", CASH, "expenses:eating-out", 2.60, 5.40, ["Coffee", "Coffee to go", "Tea"]),
    (0.30, "456", CARD, "expenses:eating-out", 28.00, 94.00, ["Trattoria", "Brewery garden"]),
    (0.56, "012345", BANK, "expenses:transport", 3.20, 12.40, ["Day ticket", "Tram", "Train"]),
    (0.30, "045", CARD, "expenses:fuel", 38.00, 71.00, ["Petrol", "Petrol, motorway"]),
    (0.10, "012345", CASH, "expenses:health", 4.20, 23.60, ["Pharmacy", "Cough syrup"]),
    (0.12, "2345", CARD, "expenses:clothing", 18.00, 96.00, ["Shoes", "Winter coat", "T-shirts"]),
    (0.20, "0123456", BANK, "expenses:children", 5.00, 34.00, ["Toys", "School things", "Zoo"]),
    (0.24, "12345", BANK, "expenses:household", 6.90, 58.00, ["Hardware store", "Drugstore"]),
    (0.15, "456", CARD, "expenses:leisure", 9.00, 48.00, ["Cinema", "Books", "Concert"]),
    (0.06, "0123456", CARD, "expenses:gifts", 12.00, 65.00, ["Birthday present", "Flowers"]),
    (0.03, "1234", "income:flea-market", CASH, 5.00, 40.00, ["Sold a pram", "Sold old books"]),
]

# Dated once: month, day, from, to, amount, currency, description.
ONCE = [
    (1, 1, "equity:opening:eur", BANK, "4120.55", "EUR", "Opening balance, checking"),
    (1, 1, "equity:opening:eur", SAVINGS, "8600.00", "EUR", "Opening balance, savings"),
    (1, 1, "equity:opening:eur", CASH, "140.00", "EUR", "Opening balance, purse"),
    (1, 1, "liabilities:loan:car", "equity:opening:eur", "6822.00", "EUR", "Car loan, still owed"),
    (1, 1, "equity:opening:kwd", KUWAIT, "412.750", "KWD", "Opening balance, Kuwait account"),
    (1, 15, BANK, "expenses:car", "184.00", "EUR", "Vehicle tax"),
    (2, 11, BANK, "expenses:heating", "143.20", "EUR", "Heating, settlement of last year"),
    (3, 22, CARD, "expenses:car", "318.45", "EUR", "Inspection and summer tyres"),
    (4, 9, CARD, "expenses:travel", "1496.00", "EUR", "Four flights to Osaka"),
    (5, 20, "income:tax-refund", BANK, "687.31", "EUR", "Income tax refund 2024"),
    (6, 14, BANK, "expenses:household", "579.00", "EUR", "Washing machine"),
    (7, 3, SAVINGS, BANK, "1500.00", "EUR", "From savings, for the journey"),
    (9, 2, BANK, "expenses:children", "236.80", "EUR", "School year: books and satchel"),
    (10, 10, CARD, "expenses:travel", "642.00", "EUR", "Flights to Kuwait"),
    (11, 18, CARD, "expenses:car", "274.90", "EUR", "Winter tyres, brake pads"),
    (12, 20, "income:salary:nora", BANK, "1342.00", "EUR", "Christmas bonus"),
    (12, 29, SAVINGS, BANK, "400.00", "EUR", "From savings, after the holidays"),
    (12, 31, "income:interest", SAVINGS, "128.64", "EUR", "Interest 2025"),
]

JAPAN = (date(2025, 7, 19), date(2025, 8, 3))
JAPAN_DAY = [
    (1.00, YEN, "expenses:eating-out:jpy", 820, 2400, ["Ramen", "Udon", "Set lunch", "Curry"]),
    (0.90, YEN, "expenses:eating-out:jpy", 3200, 9400, ["Izakaya", "Sushi", "Okonomiyaki"]),
    (0.90, YEN, "expenses:groceries:jpy", 380, 1900, ["Convenience store", "Melon bread, tea"]),
    (0.95, SUICA, "expenses:transport:jpy", 180, 620, ["Metro", "Bus", "Loop line"]),
    (0.70, SUICA, "expenses:transport:jpy", 180, 540, ["Metro", "Tram to the temple"]),
    (0.60, YEN, "expenses:leisure:jpy", 500, 4200, ["Temple garden", "Aquarium", "Bath house"]),
    (0.25, YEN, "expenses:gifts:jpy", 600, 3800, ["Tea bowls", "Fans", "Sweets for home"]),
]
GULF = (date(2025, 11, 1), date(2025, 11, 9))
GULF_DAY = [
    (1.00, DINARS, "expenses:eating-out:kwd", 1.250, 6.750, ["Machboos", "Falafel", "Grill"]),
    (0.80, DINARS, "expenses:transport:kwd", 0.350, 4.250, ["Taxi", "Bus along the Gulf road"]),
    (0.70, DINARS, "expenses:groceries:kwd", 0.475, 5.125, ["Dates", "Water, fruit", "Spices"]),
    (0.50, KUWAIT, "expenses:gifts:kwd", 4.500, 22.000, ["Present for the cousins", "Perfume"]),
]


class Year:
    """The rows so far and what each account holds, in minor units."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, ...]] = []
        self.held: defaultdict[str, int] = defaultdict(int)
        self._dice = random.Random(SEED)

    def chance(self, probability: float) -> bool:
        return self._dice.random() < probability

    def pick(self, choices: list[str]) -> str:
        return choices[int(self._dice.random() * len(choices))]

    def between(self, least: float, most: float, places: int) -> str:
        """An amount, more often near the low end, as people shop."""
        return f"{least + (most - least) * self._dice.random() ** 1.6:.{places}f}"

    def book(
        self, day: date, giver: str, taker: str, amount: str, currency: str, text: str
    ) -> None:
        minor = int(amount.replace(".", ""))
        self.held[giver] -= minor
        self.held[taker] += minor
        self.rows.append((day.isoformat(), giver, taker, amount, currency, text))

    def exchange(self, day: date, euros: str, giver: str, got: str, taker: str, text: str) -> None:
        """Two rows through the conversion accounts, one a currency."""
        currency = taker.rsplit(":", 1)[1]
        self.book(day, giver, "equity:exchange:eur", euros, "EUR", text)
        self.book(day, f"equity:exchange:{currency}", taker, got, currency.upper(), text)


def make() -> str:
    """Return the file's text."""
    year = Year()
    for day in _days(FIRST, LAST):
        _regular(year, day)
        abroad = _abroad(year, day)
        if not abroad and (day.month, day.day) not in SHUT:
            _everyday(year, day)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("date", "from", "to", "amount", "currency", "description"))
    writer.writerows(year.rows)
    return out.getvalue()


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _regular(year: Year, day: date) -> None:
    for month, number, giver, taker, amount, currency, text in ONCE:
        if (day.month, day.day) == (month, number):
            year.book(day, giver, taker, amount, currency, text)
    end_of_month = (day + timedelta(days=1)).day == 1
    for number, giver, taker, euros, text in MONTHLY:
        if day.day == number or (end_of_month and number > day.day):
            year.book(day, giver, taker, f"{euros:.2f}", "EUR", text)
    if day.day == 25:
        owed = -year.held[CARD]
        if owed > 0:
            paid = min(owed, max(0, year.held[BANK] - 40_000))
            if paid:
                year.book(day, BANK, CARD, f"{paid / 100:.2f}", "EUR", "Card bill")
    if day.day == 22:
        hours = year.between(6, 18, 0)
        pay = f"{int(hours) * 6.750:.3f}"
        text = f"Translations, {hours} hours"
        year.book(day, "income:translations:kwd", KUWAIT, pay, "KWD", text)
    if day.weekday() == 4 and year.held[CASH] < 9_000:
        year.book(day, BANK, CASH, "120.00", "EUR", "Cash machine")


def _everyday(year: Year, day: date) -> None:
    for chance, weekdays, giver, taker, least, most, texts in DAILY:
        if str(day.weekday()) in weekdays and year.chance(chance):
            amount, text = year.between(least, most, 2), year.pick(texts)
            if giver != CASH or year.held[CASH] >= int(amount.replace(".", "")):
                year.book(day, giver, taker, amount, "EUR", text)


def _abroad(year: Year, day: date) -> bool:
    if JAPAN[0] <= day <= JAPAN[1]:
        if day == JAPAN[0]:
            year.exchange(day, "920.00", BANK, "150000", YEN, "Changed at the airport")
        if year.held[YEN] < 25_000:
            year.exchange(day, "310.00", BANK, "50400", YEN, "Yen from a cash machine")
        if year.held[SUICA] < 1_500:
            year.book(day, YEN, SUICA, "4000", "JPY", "Topped up the transit card")
        if (day - JAPAN[0]).days % 4 == 0:
            price = year.between(55_000, 58_500, 0)
            year.exchange(day, "350.00", CARD, price, "expenses:lodging:jpy", "Hotel, four nights")
        _spend(year, day, JAPAN_DAY, "JPY")
        return True
    if GULF[0] <= day <= GULF[1]:
        if year.held[DINARS] < 15_000:
            year.book(day, KUWAIT, DINARS, "40.000", "KWD", "Cash machine, Salmiya")
        _spend(year, day, GULF_DAY, "KWD")
        return True
    return False


def _spend(
    year: Year,
    day: date,
    habits: Sequence[tuple[float, str, str, float, float, list[str]]],
    currency: str,
) -> None:
    for chance, giver, taker, least, most, texts in habits:
        if year.chance(chance):
            amount = year.between(least, most, PLACES[currency])
            if year.held[giver] >= int(amount.replace(".", "")):
                year.book(day, giver, taker, amount, currency, year.pick(texts))


def main() -> int:
    text = make()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET} is stale: run python {Path(__file__).name}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
