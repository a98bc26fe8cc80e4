import Foundation
import TestSupport
import Testing

@Suite("Quotas of days, over replicas", .timeLimit(.minutes(2)))
struct DayTests {
    struct Errors: Decodable {
        let genai: String
        let violation: String
        let retry: String
        let openai: String
    }

    @Test("A spent day that no bucket counts is passed on unchanged, and the SDKs raise their own errors")
    func dayPassedOn() async throws {
        let deployment = try await Deployment.start(
            .init(
                simulator: ["--requests-per-day", "1"],
                configuration: Configurations.quotas(["name = \"rpm\"\nrequests = 100\nper = \"1m\""])
            )
        )
        #expect(try await deployment.generate().status == 200)
        let seen: Errors = try await Python.run("quota_errors", [deployment.address, Deployment.key])
        #expect(seen.genai == "ClientError 429 RESOURCE_EXHAUSTED")
        #expect(seen.violation == "GenerateRequestsPerDayPerProjectPerModel-FreeTier")
        #expect(seen.retry == "36s")
        #expect(seen.openai == "RateLimitError 429")
        let row = try #require(try await deployment.quota("rpm"))
        #expect(row["hold"] as? Double == 0)
        #expect(row["limit"] as? Int == 100)
        try await deployment.stop()
    }

    @Test("A spent day that a bucket counts is told once; until its reset callers are refused at once")
    func dayHeld() async throws {
        // Far from now, whenever the test runs.
        let hour = Calendar(identifier: .gregorian).component(.hour, from: Date().addingTimeInterval(6 * 3_600))
        let utc = (hour * 3_600 - TimeZone.current.secondsFromGMT()) / 3_600
        let reset = String(format: "%02d:00 UTC", ((utc % 24) + 24) % 24)
        let deployment = try await Deployment.start(
            .init(
                simulator: ["--requests-per-day", "2"],
                configuration: Configurations.quotas([
                    "name = \"rpd\"\nrequests = 100\nper = \"1d\"\nreset = \"\(reset)\""
                ])
            )
        )
        for _ in 0..<2 { #expect(try await deployment.generate().status == 200) }
        let third = try await deployment.generate()
        #expect(third.status == 429)
        #expect(third.body.contains("PerDay"))
        try await eventually("the bucket has learned") {
            try await deployment.quota("rpd")?["limit"] as? Int == 2
        }
        let fourth = try await deployment.generate()
        #expect(fourth.status == 503)
        let wait = fourth.fields["retry-after"].flatMap(Int.init) ?? 0
        #expect((3_000...7 * 3_600).contains(wait), "\(wait) s")
        #expect(try await deployment.simulator.arrivals(call: "generateContent").count == 3)
        try await deployment.stop()
    }

    @Test("A day begins anew at its local time, and stats show it")
    func reset() async throws {
        // A minute begins 20 s after the start by the clock of gateway and Redis, whatever the machine's says.
        let clock = try await SettableClock.make()
        let started = Int(Date().timeIntervalSince1970)
        let due = started / 60 * 60 + 60
        let ahead = due - 20 - started
        try clock.set(seconds: Int64(ahead))
        func now() -> Double { Date().timeIntervalSince1970 + Double(ahead) }
        let minute = due / 60 % 1_440
        let time = String(format: "%02d:%02d", minute / 60, minute % 60)
        let deployment = try await Deployment.start(
            .init(
                redisEnvironment: clock.environment,
                configuration: Configurations.quotas(
                    ["name = \"rpd\"\nrequests = 3\nper = \"1d\"\nreset = \"\(time) UTC\""],
                    maxWait: "120s"
                ),
                environment: clock.environment
            )
        )
        for _ in 0..<3 { #expect(try await deployment.generate().status == 200) }
        let used = try await deployment.quota("rpd")
        let left = Double(due) - now()
        try #require(left > 0, "too slow a start to tell anything")
        #expect(used?["used"] as? Int == 3)
        let wait = try #require(used?["next_slot"] as? Double)
        #expect(abs(wait - left) <= 4, "\(wait) s")
        // Two seconds around the reset count on both sides.
        let fourth = try await deployment.generate(within: .seconds(120))
        #expect(fourth.status == 200)
        #expect(now() >= Double(due + 1))
        #expect(try await deployment.quota("rpd")?["used"] as? Int == 1)
        try await deployment.stop()
    }
}
