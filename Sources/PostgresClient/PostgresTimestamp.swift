/// A point in time as Postgres keeps it: microseconds, exact, so that it can stand in a keyset cursor.
package struct PostgresTimestamp: Hashable, Comparable, Sendable {
    package var microsecondsSince1970: Int64

    /// What Postgres counts from: 2000-01-01T00:00:00Z.
    static let postgresEpoch: Int64 = 946_684_800_000_000

    package init(microsecondsSince1970: Int64) {
        self.microsecondsSince1970 = microsecondsSince1970
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.microsecondsSince1970 < right.microsecondsSince1970
    }

    /// RFC 3339 in UTC with six digits: `2026-01-31T09:05:00.000001Z`.
    package var rfc3339: String {
        let (seconds, microseconds) = floorDivide(microsecondsSince1970, 1_000_000)
        let (days, secondOfDay) = floorDivide(seconds, 86_400)
        let (year, month, day) = civilDate(daysSince1970: days)
        var text = ""
        text.reserveCapacity(27)
        append(year, digits: 4, to: &text)
        text += "-"
        append(month, digits: 2, to: &text)
        text += "-"
        append(day, digits: 2, to: &text)
        text += "T"
        append(secondOfDay / 3_600, digits: 2, to: &text)
        text += ":"
        append(secondOfDay / 60 % 60, digits: 2, to: &text)
        text += ":"
        append(secondOfDay % 60, digits: 2, to: &text)
        text += "."
        append(microseconds, digits: 6, to: &text)
        text += "Z"
        return text
    }
}

private func append(_ number: Int64, digits: Int, to text: inout String) {
    let plain = String(number)
    for _ in plain.utf8.count..<max(digits, plain.utf8.count) { text += "0" }
    text += plain
}

/// Rounds towards minus infinity, so that times before 1970 come out right.
private func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}

/// Proleptic Gregorian date; Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
private func civilDate(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = floorDivide(daysSince1970 + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
}
