import Gateway
import NIOCore
import Testing

@Suite("Which failures are tried again")
struct RetryPolicyTests {
    @Test("A connect error and a 503 always, up to the configured number")
    func always() {
        let policy = RetryPolicy(retries: 2, isIdempotent: false)
        #expect(policy.allows(.unreachable, after: 0))
        #expect(policy.allows(.status(503), after: 1))
        #expect(!policy.allows(.unreachable, after: 2))
    }

    @Test(
        "A reset, 502 and 504 only where the call may be repeated",
        arguments: [RetryPolicy.Failure.broken, .status(502), .status(504)]
    )
    func idempotent(failure: RetryPolicy.Failure) {
        #expect(!RetryPolicy(retries: 2, isIdempotent: false).allows(failure, after: 0))
        #expect(RetryPolicy(retries: 2, isIdempotent: true).allows(failure, after: 0))
    }

    @Test("Other answers never", arguments: [200, 400, 404, 429, 500])
    func never(status: Int) {
        #expect(!RetryPolicy(retries: 2, isIdempotent: true).allows(.status(status), after: 0))
    }

    @Test("The pause is the upstream's, else doubles from half a second, a quarter more or less")
    func pause() {
        var random = FastRandom(seed: 7)
        #expect(RetryPolicy.pause(after: 0, asked: .seconds(9), random: &random) == .seconds(9))
        for tries in 0..<4 {
            let base = Int64(500_000_000) << Int64(tries)
            let pause = RetryPolicy.pause(after: tries, asked: nil, random: &random).nanoseconds
            #expect((base * 3 / 4...base * 5 / 4).contains(pause))
        }
    }
}
