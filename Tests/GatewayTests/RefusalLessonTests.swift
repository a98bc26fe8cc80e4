import Dialects
import Gateway
import NIOCore
import Pacing
import Testing

@Suite("What a 429 teaches") struct RefusalLessonTests {
    private static let day = Duration.seconds(86_400)

    private func midnight() throws -> DailyReset {
        DailyReset(zone: "UTC", secondOfDay: 0, rules: try #require(ZoneRules(posix: "UTC0")))
    }

    private func violation(_ id: String, _ value: Int? = nil, model: String? = "m") -> String {
        let dimensions = model.map { #","quotaDimensions":{"location":"global","model":"\#($0)"}"# } ?? ""
        let value = value.map { #","quotaValue":"\#($0)""# } ?? ""
        return #"{"quotaId":"\#(id)"\#(dimensions)\#(value)}"#
    }

    private func lesson(
        _ quotas: [Configuration.Quota],
        violations: [String],
        retryDelay: String? = "26.5s",
        now: Int = 80_000,
        canRepeat: Bool = true
    ) throws -> RefusalLesson {
        let plan = QuotaPlan(quotas: quotas)
        let outcome = plan.charges(model: "m", method: .generateContent, items: 1, now: now) {
            .init(input: 10, output: 10)
        }
        guard case .charges(let charges) = outcome else { throw NoCharges() }
        let retry = retryDelay.map { #",{"@type":"google.rpc.RetryInfo","retryDelay":"\#($0)"}"# } ?? ""
        let body =
            #"{"error":{"code":429,"details":[{"@type":"google.rpc.QuotaFailure","violations":["#
            + violations.joined(separator: ",") + "]}\(retry)]}}"
        let refusal = UpstreamRefusal(body: ByteBuffer(string: body), retryAfter: nil, secondsSinceEpoch: Int64(now))
        return RefusalLesson(refusal, charges: charges, plan: plan, now: now, canRepeat: canRepeat)
    }

    private struct NoCharges: Error {}

    private func named(_ lesson: RefusalLesson) -> [String] { lesson.buckets.map(\.name) }

    @Test(
        "quotaId tells requests from tokens and a minute from a day",
        arguments: [
            ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "rpm/m"),
            ("GenerateContentInputTokensPerModelPerMinute-FreeTier", "tpm/m"),
            ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "rpd/m"),
            ("GenerateContentOutputTokensPerModelPerMinute", "out/m"),
        ]
    )
    func bucket(id: String, expected: String) throws {
        let quotas: [Configuration.Quota] = [
            .sample("rpm", 100), .sample("tpm", 10_000, unit: .tokens(.input)), .sample("rpd", 1_000, per: Self.day),
            .sample("out", 10_000, unit: .tokens(.output)),
        ]
        let lesson = try lesson(quotas, violations: [violation(id, 7)])
        #expect(named(lesson) == [expected])
        #expect(lesson.buckets[0].named.limit == 7)
        #expect(lesson.buckets[0].hold == .milliseconds(26_500))
    }

    @Test("A bucket of the call's model comes before one of all models where the answer names a model")
    func model() throws {
        let quotas: [Configuration.Quota] = [.sample("all", 100, scope: .upstream), .sample("rpm", 50)]
        let id = "GenerateRequestsPerMinutePerProjectPerModel"
        #expect(named(try lesson(quotas, violations: [violation(id)])) == ["rpm/m"])
        #expect(
            named(try lesson(quotas, violations: [violation("RequestsPerMinutePerProject", model: nil)])) == ["all"]
        )
    }

    @Test("Several violations teach several buckets, a day's first; the same one only once")
    func several() throws {
        let quotas: [Configuration.Quota] = [
            .sample("rpm", 100), .sample("tpm", 10_000, unit: .tokens(.input)), .sample("rpd", 1_000, per: Self.day),
        ]
        let lesson = try lesson(
            quotas,
            violations: [
                violation("GenerateRequestsPerMinutePerProjectPerModel", 5),
                violation("GenerateContentInputTokensPerModelPerMinute", 900),
                violation("GenerateContentInputTokensPerModelPerMinute", 800),
                violation("GenerateRequestsPerDayPerProjectPerModel", 50),
            ]
        )
        #expect(named(lesson) == ["rpd/m", "rpm/m", "tpm/m"])
        #expect(lesson.buckets.map(\.named.limit) == [50, 5, 900])
    }

    @Test("The headroom is taken off what the upstream states")
    func headroom() throws {
        let rpm = Configuration.Quota.sample("rpm", 80) { $0.whole = 100 }
        let lesson = try lesson([rpm], violations: [violation("RequestsPerMinute", 50)])
        #expect(lesson.buckets[0].named.limit == 40)
        #expect(lesson.buckets[0].named.stated == 50)
    }

    @Test("A limit is learned by a bucket of that window or a shorter one; a longer one only pauses")
    func otherWindow() throws {
        let minute = [violation("RequestsPerMinute", 50)]
        let five = try lesson([.sample("rp5m", 500, per: .seconds(300))], violations: minute)
        #expect(named(five) == ["rp5m/m"])
        #expect(five.buckets[0].named.limit == nil)
        #expect(five.buckets[0].hold == .milliseconds(26_500))
        let second = try lesson([.sample("rps", 100, per: .seconds(1))], violations: minute)
        #expect(second.buckets[0].named.limit == 50)
        let month = try lesson(
            [.sample("monthly", 9_000, per: Self.day * 30)],
            violations: [violation("RequestsPerDay", 50)]
        )
        #expect(named(month) == ["monthly/m"])
        #expect(month.buckets[0].named.limit == nil)
        #expect(month.buckets[0].named.stated == nil)
    }

    @Test("Without details all request buckets are meant, for as long as the answer says or as nobody says")
    func noDetails() throws {
        let lesson = try lesson([.sample("rpm", 100)], violations: [], retryDelay: nil)
        #expect(lesson.buckets.isEmpty)
        #expect(lesson.hold == nil)
        #expect(lesson.requeue)
        #expect(try self.lesson([.sample("rpm", 100)], violations: []).hold == .milliseconds(26_500))
    }

    @Test("A day's quota that is spent waits for its reset, not for the seconds of the answer, an hour at most")
    func day() throws {
        let midnight = try midnight()
        let quotas: [Configuration.Quota] = [
            .sample("rpm", 100), .sample("rpd", 1_000, per: Self.day) { $0.reset = midnight },
        ]
        let violations = [violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier", 1_000)]
        let near = try lesson(quotas, violations: violations, now: 86_400 - 90)
        #expect(named(near) == ["rpd/m"])
        #expect(near.buckets[0].hold == .seconds(92))
        #expect(near.requeue)
        #expect(try lesson(quotas, violations: violations, now: 40_000).buckets[0].hold == .seconds(3_600))
    }

    @Test("Where nobody knows when the day ends, the 429 is the answer")
    func dayWithoutReset() throws {
        let violations = [violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier", 1_000)]
        let rolling = try lesson([.sample("rpd", 1_000, per: Self.day)], violations: violations)
        #expect(named(rolling) == ["rpd/m"])
        #expect(!rolling.requeue)
        // Pausing the minute's bucket would let callers wait for nothing but another 429.
        let unknown = try lesson([.sample("rpm", 100)], violations: violations)
        #expect(unknown.buckets.isEmpty)
        #expect(unknown.hold == .zero)
        #expect(!unknown.requeue)
    }

    @Test("What was not kept whole cannot be sent again")
    func streamed() throws {
        let lesson = try lesson([.sample("rpm", 9)], violations: [violation("RequestsPerMinute")], canRepeat: false)
        #expect(!lesson.requeue)
        #expect(named(lesson) == ["rpm/m"])
    }

    @Test("Tokens of a violation are no requests, and requests no tokens")
    func otherUnit() throws {
        #expect(try lesson([.sample("rpm", 9)], violations: [violation("InputTokensPerMinute", 5)]).buckets.isEmpty)
        let tokens: [Configuration.Quota] = [.sample("tpm", 9, unit: .tokens(.input))]
        #expect(try lesson(tokens, violations: [violation("RequestsPerMinute", 5)]).buckets.isEmpty)
    }
}
