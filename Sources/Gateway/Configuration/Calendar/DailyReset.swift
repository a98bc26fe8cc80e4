/// A local time of day at which a quota's day begins, such as `00:00 America/Los_Angeles`.
package struct DailyReset: Sendable, Equatable {
    /// As the file writes it: part of what replicas must agree on.
    package let zone: String
    /// Seconds after local midnight, whole minutes.
    let secondOfDay: Int
    let rules: ZoneRules

    static let form = "a time and a zone such as \"00:00 America/Los_Angeles\""

    package init(zone: String, secondOfDay: Int, rules: ZoneRules) {
        self.zone = zone
        self.secondOfDay = secondOfDay
        self.rules = rules
    }

    /// `HH:MM` in seconds, and the zone's name; `nil`: not of this form.
    package static func parts(of text: String) -> (secondOfDay: Int, zone: String)? {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 2, !words[1].isEmpty else { return nil }
        let clock = words[0].split(separator: ":", omittingEmptySubsequences: false)
        guard clock.count == 2,
            clock.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let hours = Int(clock[0]), hours < 24, let minutes = Int(clock[1]), minutes < 60
        else { return nil }
        return (hours * 3_600 + minutes * 60, String(words[1]))
    }

    /// The first reset after a time, both in seconds since 1970.
    ///
    /// A local time that does not exist on a day counts as if the clock had not been set forward yet; of one that exists
    /// twice the first counts (RFC 5545, 3.3.5). So every local day has one reset, after 23, 24 or 25 hours where
    /// summer time begins or ends.
    package func next(after time: Int) -> Int {
        let today = (time + rules.offset(at: time)).dividedDown(by: 86_400)
        for day in (today - 1)...(today + 2) {
            let reset = utc(day * 86_400 + secondOfDay)
            if reset > time { return reset }
        }
        return time + 86_400
    }

    private func utc(_ local: Int) -> Int {
        // No zone changes its offset twice within so short a time, nor by more than it.
        let before = rules.offset(at: local - 86_400 - 43_200)
        let after = rules.offset(at: local + 86_400 + 43_200)
        let valid = [before, after].map { local - $0 }.filter { $0 + rules.offset(at: $0) == local }
        return valid.min() ?? local - before
    }
}
