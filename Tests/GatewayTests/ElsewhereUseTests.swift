import Gateway
import NIOCore
import Testing

@Suite("Use of a quota by others") struct ElsewhereUseTests {
    private let use = ElsewhereUse()

    private func at(_ seconds: Int) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(Int64(1_000 + seconds)) }

    @Test("What our own count leaves open is what others used, until it has left the window")
    func noticed() {
        #expect(use.units(of: "rpm", now: at(0)) == 0)
        let warns = use.note("rpm", whole: 100, used: 40, per: .seconds(60), now: at(0))
        #expect(warns)
        #expect(use.units(of: "rpm", now: at(59)) == 60)
        #expect(use.units(of: "rpm", now: at(60)) == 0)
        #expect(use.units(of: "other", now: at(0)) == 0)
    }

    @Test("A warning comes once a window, the figure with every refusal")
    func warnsOnce() {
        var warnings = 0
        for second in stride(from: 0, to: 180, by: 10) {
            if use.note("rpm", whole: 100, used: 50 + second / 10, per: .seconds(60), now: at(second)) { warnings += 1 }
        }
        // Each window begins with the warning: at 0, 60 and 120 s.
        #expect(warnings == 3)
        #expect(use.units(of: "rpm", now: at(171)) == 33)
    }

    @Test("A quota that we used up, or nearly, as our count lags, tells nothing of others", arguments: [96, 100, 130])
    func ourOwn(used: Int) {
        let warns = use.note("rpm", whole: 100, used: used, per: .seconds(60), now: at(0))
        #expect(!warns)
        #expect(use.units(of: "rpm", now: at(1)) == 0)
    }

    @Test("Refusals are looked at once a second, bucket by bucket, of a bounded number of buckets")
    func looks() {
        let first = use.begin("a", now: at(0))
        let again = use.begin("a", now: at(0) + .milliseconds(999))
        let other = use.begin("b", now: at(0))
        let later = use.begin("a", now: at(1))
        #expect([first, again, other, later] == [true, false, true, true])
        for index in 0..<5_000 { _ = use.note("m\(index)", whole: 10, used: 0, per: .seconds(60), now: at(2)) }
        let beyond = use.begin("one more", now: at(3))
        let afterAWindow = use.begin("one more", now: at(70))
        #expect(!beyond)
        #expect(afterAWindow)
    }
}
