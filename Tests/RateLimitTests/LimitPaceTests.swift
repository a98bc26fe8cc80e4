import RateLimit
import Testing

@Suite struct LimitPaceTests {
    @Test("A rule's fields are those of RateLimit-Policy")
    func policy() {
        #expect(LimitRule(name: "a", count: 10, window: .seconds(60), burst: 10).fullBurstSeconds == 60)
        #expect(LimitRule(name: "a", count: 10, window: .seconds(60), burst: 1).fullBurstSeconds == 6)
        #expect(LimitRule(name: "a", count: 200, window: .seconds(1), burst: 200).fullBurstSeconds == 1)
        #expect(LimitRule(name: "a", count: 7, window: .seconds(60), burst: 1).fullBurstSeconds == 9)
    }

    @Test("A part of a rule is an equal part of its rate, and of its burst at least one", arguments: [1, 2, 3, 100])
    func parts(replicas: Int) {
        let rule = LimitRule(name: "a", count: 10, window: .seconds(60), burst: 10)
        let pace = rule.pace(replicas: replicas)
        #expect(pace.burst == max(1, 10 / replicas))
        #expect(pace.intervalMicros == 6_000_000 * replicas)
    }

    @Test("Seconds are rounded up")
    func seconds() {
        #expect(Duration.zero.secondsRoundedUp == 0)
        #expect(Duration.microseconds(1).secondsRoundedUp == 1)
        #expect(Duration.seconds(6).secondsRoundedUp == 6)
    }
}
