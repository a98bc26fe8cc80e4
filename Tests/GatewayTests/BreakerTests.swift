import Gateway
import NIOCore
import Testing

@Suite("Circuit breaker")
struct BreakerTests {
    private static func settings() -> Configuration.Breaker {
        var settings = Configuration.Breaker()
        settings.failures = 3
        settings.window = .seconds(10)
        settings.openFor = .seconds(5)
        return settings
    }

    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(100 + seconds) }

    @Test("It opens at the configured number of failures within the window")
    func opens() {
        let breaker = Breaker(settings: Self.settings())
        breaker.failed(now: at(0))
        breaker.failed(now: at(1))
        #expect(breaker.ask(now: at(1)) == .go)
        let change = breaker.failed(now: at(2))
        #expect(change == .open)
        #expect(breaker.ask(now: at(2)) == .refused(retryAfter: .seconds(5)))
        #expect(breaker.state(now: at(2)) == .open)
    }

    @Test("Failures that are further apart than the window do not add up")
    func window() {
        let breaker = Breaker(settings: Self.settings())
        breaker.failed(now: at(0))
        breaker.failed(now: at(1))
        breaker.failed(now: at(12))
        #expect(breaker.ask(now: at(12)) == .go)
    }

    @Test("After its time one trial goes, and its success closes it")
    func trial() {
        let breaker = Breaker(settings: Self.settings())
        for second in 0..<3 { breaker.failed(now: at(Int64(second))) }
        #expect(breaker.ask(now: at(8)) == .trial)
        #expect(breaker.ask(now: at(8)) != .go)
        #expect(breaker.succeeded(isTrial: true) == .closed)
        #expect(breaker.ask(now: at(8)) == .go)
    }

    @Test("A failed trial opens it for as long again")
    func failedTrial() {
        let breaker = Breaker(settings: Self.settings())
        for second in 0..<3 { breaker.failed(now: at(Int64(second))) }
        #expect(breaker.ask(now: at(8)) == .trial)
        breaker.failed(isTrial: true, now: at(9))
        #expect(breaker.ask(now: at(10)) == .refused(retryAfter: .seconds(4)))
    }

    @Test("A trial that tells nothing makes room for the next")
    func undecided() {
        let breaker = Breaker(settings: Self.settings())
        for second in 0..<3 { breaker.failed(now: at(Int64(second))) }
        #expect(breaker.ask(now: at(8)) == .trial)
        breaker.trialUndecided()
        #expect(breaker.ask(now: at(8)) == .trial)
    }

    @Test("A call that began before it opened does not decide the trial")
    func olderCall() {
        let breaker = Breaker(settings: Self.settings())
        for second in 0..<3 { breaker.failed(now: at(Int64(second))) }
        #expect(breaker.ask(now: at(8)) == .trial)
        #expect(breaker.succeeded(isTrial: false) == nil)
        #expect(breaker.failed(isTrial: false, now: at(8)) == nil)
        #expect(breaker.succeeded(isTrial: true) == .closed)
    }
}
