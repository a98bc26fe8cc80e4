/// The rule for times after a zone file's last transition: a POSIX `TZ` string (RFC 8536, 3.3.1), such as
/// `PST8PDT,M3.2.0,M11.1.0`.
struct PosixZone: Sendable, Equatable {
    /// A day of each year.
    enum Day: Sendable, Equatable {
        /// `Jn`, 1…365: 29 February is never counted.
        case julian(Int)
        /// `n`, 0…365.
        case ordinal(Int)
        /// `Mm.w.d`: the w-th (5: the last) weekday d (0: Sunday) of month m.
        case weekday(month: Int, week: Int, day: Int)
    }

    struct Change: Sendable, Equatable {
        var day: Day
        /// Seconds after local midnight, −167 h…167 h.
        var time: Int
    }

    struct Summer: Sendable, Equatable {
        /// Seconds east of Greenwich.
        var offset: Int
        var start: Change
        var end: Change
    }

    /// Seconds east of Greenwich.
    let standard: Int
    let summer: Summer?

    /// - Returns: `nil`: no such string.
    init?(_ text: some StringProtocol) {
        var reader = Reader(rest: Array(text.utf8)[...])
        guard reader.name(), let west = reader.offset(hours: 24) else { return nil }
        standard = -west
        if reader.rest.isEmpty {
            summer = nil
            return
        }
        guard reader.name() else { return nil }
        var ahead = standard + 3_600
        if reader.rest.first != UInt8(ascii: ",") {
            guard let west = reader.offset(hours: 24) else { return nil }
            ahead = -west
        }
        guard let start = reader.change(), let end = reader.change(), reader.rest.isEmpty else { return nil }
        summer = Summer(offset: ahead, start: start, end: end)
    }

    /// Seconds east of Greenwich at a time in seconds since 1970.
    func offset(at time: Int) -> Int {
        guard let summer else { return standard }
        let year = CivilDate(daysSince1970: (time + standard).dividedDown(by: 86_400)).year
        var latest = Int.min
        var offset = standard
        for year in year - 1...year + 1 {
            let start = Self.seconds(summer.start, in: year) - standard
            let end = Self.seconds(summer.end, in: year) - summer.offset
            // Where a summer ends as the next begins, it goes on.
            if end <= time, end > latest { (latest, offset) = (end, standard) }
            if start <= time, start >= latest { (latest, offset) = (start, summer.offset) }
        }
        return offset
    }

    /// Local seconds since 1970.
    private static func seconds(_ change: Change, in year: Int) -> Int {
        let first = CivilDate(year: year, month: 1, day: 1).daysSince1970
        let day: Int
        switch change.day {
        case .julian(let number):
            day = first + number - 1 + (CivilDate.isLeap(year) && number >= 60 ? 1 : 0)
        case .ordinal(let number):
            day = first + number
        case .weekday(let month, let week, let weekday):
            let begin = CivilDate(year: year, month: month, day: 1).daysSince1970
            // 1 January 1970 was a Thursday.
            let ahead = (weekday - (begin + 4) % 7 + 14) % 7
            var found = begin + ahead + (week - 1) * 7
            let next = month == 12 ? (year + 1, 1) : (year, month + 1)
            if found >= CivilDate(year: next.0, month: next.1, day: 1).daysSince1970 { found -= 7 }
            day = found
        }
        return day * 86_400 + change.time
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        /// Three letters or more, or anything in angle brackets.
        mutating func name() -> Bool {
            if rest.first == UInt8(ascii: "<") {
                guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
                rest = rest[(end + 1)...]
                return true
            }
            let letters = rest.prefix { ($0 | 0x20) >= UInt8(ascii: "a") && ($0 | 0x20) <= UInt8(ascii: "z") }
            rest = rest.dropFirst(letters.count)
            return letters.count >= 3
        }

        mutating func take(_ character: Character) -> Bool {
            guard rest.first == character.asciiValue else { return false }
            rest = rest.dropFirst()
            return true
        }

        mutating func number() -> Int? {
            let digits = rest.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
            guard (1...3).contains(digits.count) else { return nil }
            rest = rest.dropFirst(digits.count)
            return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        }

        /// `[+-]hh[:mm[:ss]]`, in seconds.
        mutating func offset(hours most: Int) -> Int? {
            let isNegative = take("-")
            if !isNegative { _ = take("+") }
            guard let hours = number(), hours <= most else { return nil }
            var seconds = hours * 3_600
            for unit in [60, 1] {
                guard take(":") else { break }
                guard let part = number(), part < 60 else { return nil }
                seconds += part * unit
            }
            return isNegative ? -seconds : seconds
        }

        /// `,date[/time]`.
        mutating func change() -> Change? {
            guard take(","), let day = day() else { return nil }
            guard take("/") else { return Change(day: day, time: 7_200) }
            return offset(hours: 167).map { Change(day: day, time: $0) }
        }

        private mutating func day() -> Day? {
            if take("J") {
                guard let number = number(), (1...365).contains(number) else { return nil }
                return .julian(number)
            }
            guard take("M") else {
                guard let number = number(), number <= 365 else { return nil }
                return .ordinal(number)
            }
            guard let month = number(), (1...12).contains(month), take("."), let week = number(),
                (1...5).contains(week), take("."), let day = number(), day <= 6
            else { return nil }
            return .weekday(month: month, week: week, day: day)
        }
    }
}
