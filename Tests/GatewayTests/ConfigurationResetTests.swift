import Foundation
import Gateway
import Testing

@Suite("Calendar windows") struct ConfigurationResetTests {
    private static let pacific = ZoneRules(posix: "PST8PDT,M3.2.0,M11.1.0")

    private func reset(_ time: String, _ zone: String) throws -> DailyReset {
        let rules = try #require(ZoneRules(posix: zone))
        let parts = try #require(DailyReset.parts(of: "\(time) Zone"))
        return DailyReset(zone: "Zone", secondOfDay: parts.secondOfDay, rules: rules)
    }

    private func seconds(_ text: String) throws -> Int {
        Int(try Date(text, strategy: .iso8601).timeIntervalSince1970)
    }

    @Test(
        "The next reset is a local time of day, whatever the clocks do that day",
        arguments: [
            // An ordinary day, before and after midnight.
            ("00:00", "PST8PDT,M3.2.0,M11.1.0", "2026-07-01T06:59:59Z", "2026-07-01T07:00:00Z"),
            ("00:00", "PST8PDT,M3.2.0,M11.1.0", "2026-07-01T07:00:00Z", "2026-07-02T07:00:00Z"),
            // 23 hours, 25 hours.
            ("00:00", "PST8PDT,M3.2.0,M11.1.0", "2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"),
            ("00:00", "PST8PDT,M3.2.0,M11.1.0", "2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"),
            // 02:30 does not exist on that day: as if the clock had not been set forward yet.
            ("02:30", "PST8PDT,M3.2.0,M11.1.0", "2026-03-08T08:00:00Z", "2026-03-08T10:30:00Z"),
            ("02:30", "PST8PDT,M3.2.0,M11.1.0", "2026-03-08T10:30:00Z", "2026-03-09T09:30:00Z"),
            // 01:30 exists twice: once a day, at the first.
            ("01:30", "PST8PDT,M3.2.0,M11.1.0", "2026-11-01T07:00:00Z", "2026-11-01T08:30:00Z"),
            ("01:30", "PST8PDT,M3.2.0,M11.1.0", "2026-11-01T08:30:00Z", "2026-11-02T09:30:00Z"),
            // Midnight itself is skipped, or comes twice: Havana.
            ("00:00", "CST5CDT,M3.2.0/0,M11.1.0/1", "2026-03-08T04:00:00Z", "2026-03-08T05:00:00Z"),
            ("00:00", "CST5CDT,M3.2.0/0,M11.1.0/1", "2026-11-01T03:00:00Z", "2026-11-01T04:00:00Z"),
            ("00:00", "CST5CDT,M3.2.0/0,M11.1.0/1", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
            // South of the equator the summer spans the turn of the year; half an hour only.
            ("00:00", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-01-15T00:00:00Z", "2026-01-15T13:00:00Z"),
            ("00:00", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"),
            // No summer time, and summer all year.
            ("09:15", "IST-5:30", "2026-02-28T03:45:00Z", "2026-03-01T03:45:00Z"),
            ("00:00", "XXX3EDT4,0/0,J365/23", "2026-12-31T12:00:00Z", "2027-01-01T04:00:00Z"),
        ]
    )
    func next(time: String, zone: String, now: String, expected: String) throws {
        let next = try reset(time, zone).next(after: seconds(now))
        #expect(next == (try seconds(expected)))
    }

    @Test("From reset to reset every day of a year has exactly one")
    func onePerDay() throws {
        let reset = try reset("02:30", "PST8PDT,M3.2.0,M11.1.0")
        var time = try seconds("2026-01-01T08:00:00Z")
        let end = try seconds("2027-01-01T08:00:00Z")
        var lengths: [Int: Int] = [:]
        var count = 0
        while true {
            let next = reset.next(after: time)
            guard next < end else { break }
            if count > 0 { lengths[next - time, default: 0] += 1 }
            time = next
            count += 1
        }
        #expect(count == 365)
        // The day before the skipped 02:30 has 24 hours, the one after it 23.
        #expect(lengths == [24 * 3_600: 362, 23 * 3_600: 1, 25 * 3_600: 1])
    }

    @Test(
        "What is no rule is refused",
        arguments: [
            "", "PST", "PST8PDT,M3.2.0", "P8", "PST25", "PST8PDT,M13.1.0,M11.1.0", "PST8PDT,M3.6.0,M11.1.0",
            "PST8PDT,M3.2.0,M11.1.0x", "PST8PDT,J0,J1", "<PST8",
        ]
    )
    func noRule(text: String) {
        #expect(ZoneRules(posix: text) == nil)
    }

    @Test(
        "Times and zones are told apart, and nothing else is taken for them",
        arguments: [
            ("00:00 UTC", 0), ("23:59 America/Los_Angeles", 86_340), ("24:00 UTC", nil), ("0:00 UTC", nil),
            ("00:60 UTC", nil), ("00:00", nil), ("00:00  UTC", nil), ("00:00 UTC x", nil), ("00-00 UTC", nil),
            ("+1:00 UTC", nil),
        ] as [(String, Int?)]
    )
    func form(text: String, expected: Int?) {
        #expect(DailyReset.parts(of: text)?.secondOfDay == expected)
    }
}
