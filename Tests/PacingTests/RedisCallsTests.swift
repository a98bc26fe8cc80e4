import Pacing
import Testing

/// How often the agents call Redis, beside once a second and replica.
struct RedisCallsTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var replicas = 1
        /// Units of ten that a call really takes; nil: nothing is settled.
        var actual: Int?
        /// Between a lone caller's calls, in slots.
        var pause = 0.0
        var testDescription: String { "\(replicas) replicas, \(actual ?? 10) of 10 units, pause \(pause)" }
    }

    @Test(
        "A slot costs at most 2.2 calls where a crowd contends and some hang up, settled or not, and all is used",
        arguments: [3, 6].flatMap { replicas in [nil, 9, 5].map { Case(replicas: replicas, actual: $0) } }
    )
    func crowd(_ given: Case) {
        let bucket = BucketSpec(name: "tpm", limit: 600, per: .seconds(5), burst: 300)
        let load = CallLoad(
            replicas: given.replicas,
            bucket: bucket,
            units: 10,
            actual: given.actual,
            seed: given.replicas
        )
        let calls = load.callsASlot(of: CallLoad.crowd, seconds: 60)
        let used = load.slots * (given.actual ?? 10)
        #expect(Double(used) >= 0.96 * 600 / 5 * 60)
        #expect(calls <= 2.2, "\(load.told)")
    }

    @Test(
        "A lone call on an idle bucket costs at most 1.2, settled or not",
        arguments: [nil, 9].flatMap { actual in [100, 500, 5000].map { Case(actual: actual, pause: $0) } }
    )
    func lone(_ given: Case) {
        let bucket = BucketSpec(name: "tpm", limit: 1_000_000, per: .seconds(60), burst: 500_000)
        let load = CallLoad(replicas: 1, bucket: bucket, units: 10, actual: given.actual, seed: 1)
        let calls = load.callsASlot(of: [CallLoad.Client(name: "lone", pause: given.pause)], seconds: 120)
        #expect(load.slots >= 30)
        #expect(calls <= 1.2, "\(load.told)")
    }
}
