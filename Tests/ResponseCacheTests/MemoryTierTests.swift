import NIOCore
import ResponseCache
import TestSupport
import Testing

@Suite struct MemoryTierTests {
    private static let tags = CacheTags(route: "gemini", client: "team")
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    static func answer(
        bytes: Int = 1_000,
        at time: NIODeadline = start,
        freshness: Freshness = Freshness(timeToLive: .seconds(300)),
        tags: CacheTags = tags
    ) -> StoredAnswer {
        StoredAnswer(
            status: 200,
            fields: ByteBuffer(string: "Content-Type: application/json\r\n"),
            body: ByteBuffer(repeating: 0x20, count: bytes),
            storedAt: time,
            freshness: freshness,
            tags: tags
        )
    }

    private static func insert(_ tier: MemoryTier, _ name: String, _ answer: StoredAnswer) {
        tier.insert(answer, for: CacheKey.of(name), stamp: tier.stamp(for: answer.tags), now: answer.storedAt)
    }

    @Test("What was stored is found, with its fields and body")
    func roundTrip() {
        let tier = MemoryTier(capacity: 1 << 20, maximumEntry: 1 << 16)
        Self.insert(tier, "a", Self.answer(bytes: 5))
        let found = tier.fresh(CacheKey.of("a"), now: Self.start)
        #expect(found?.body == ByteBuffer(string: "     "))
        #expect(found?.fields == ByteBuffer(string: "Content-Type: application/json\r\n"))
        #expect(tier.fresh(CacheKey.of("b"), now: Self.start) == nil)
    }

    @Test("A thousand embeddings of 20 KiB fit in 64 MiB")
    func embeddings() {
        let tier = MemoryTier(capacity: 64 << 20, maximumEntry: 1 << 20)
        for index in 0..<1_000 { Self.insert(tier, "e\(index)", Self.answer(bytes: 20 << 10)) }
        let held = (0..<1_000).count { tier.fresh(CacheKey.of("e\($0)"), now: Self.start) != nil }
        #expect(held == 1_000)
    }

    @Test("The bytes stay within the capacity, whatever the sizes", arguments: [64 << 10, 1 << 20, 8 << 20])
    func bounded(capacity: Int) {
        let tier = MemoryTier(capacity: capacity, maximumEntry: 256 << 10)
        var random = SeededGenerator(seed: capacity)
        for index in 0..<3_000 {
            let size = 1 << Int.random(in: 0...18, using: &random)
            _ = tier.fresh(CacheKey.of("\(index % 400)"), now: Self.start)
            Self.insert(tier, "\(index % 400)", Self.answer(bytes: size))
            #expect(tier.usage.bytes <= capacity)
        }
        #expect(tier.usage.entries > 0)
    }

    @Test("A scan does not empty it")
    func scan() {
        let tier = MemoryTier(capacity: 4 << 20, maximumEntry: 64 << 10)
        let hot = (0..<800).map { "hot\($0)" }
        for name in hot { Self.insert(tier, name, Self.answer()) }
        for _ in 0..<3 {
            for name in hot { _ = tier.fresh(CacheKey.of(name), now: Self.start) }
        }
        for index in 0..<50_000 {
            let name = "scan\(index)"
            if tier.fresh(CacheKey.of(name), now: Self.start) == nil { Self.insert(tier, name, Self.answer()) }
        }
        let survivors = hot.count { tier.fresh(CacheKey.of($0), now: Self.start) != nil }
        #expect(survivors >= 720)
    }

    @Test("New favourites displace old ones")
    func shift() {
        let tier = MemoryTier(capacity: 4 << 20, maximumEntry: 64 << 10)
        func ask(_ names: [String], times: Int) -> Int {
            var hits = 0
            for _ in 0..<times {
                hits = 0
                for name in names {
                    if tier.fresh(CacheKey.of(name), now: Self.start) != nil {
                        hits += 1
                    } else {
                        Self.insert(tier, name, Self.answer())
                    }
                }
            }
            return hits
        }
        let old = (0..<1_500).map { "old\($0)" }
        let new = (0..<1_500).map { "new\($0)" }
        _ = ask(old, times: 10)
        let hits = ask(new, times: 40)
        #expect(hits >= 1_400)
    }

    @Test("An answer above max_entry is not kept")
    func largest() {
        let tier = MemoryTier(capacity: 1 << 20, maximumEntry: 1_000)
        Self.insert(tier, "large", Self.answer(bytes: 1_001))
        #expect(tier.usage.entries == 0)
    }

    @Test("It expires with the last use that its freshness allows")
    func expiry() {
        let tier = MemoryTier(capacity: 1 << 20, maximumEntry: 1 << 16)
        Self.insert(tier, "a", Self.answer(freshness: Freshness(timeToLive: .seconds(10), staleIfError: .seconds(5))))
        let fresh = tier.fresh(CacheKey.of("a"), now: Self.start + .milliseconds(9_999))
        let stale = tier.fresh(CacheKey.of("a"), now: Self.start + .seconds(10))
        let kept = tier.usage.entries
        _ = tier.fresh(CacheKey.of("a"), now: Self.start + .seconds(15))
        #expect(fresh != nil)
        #expect(stale == nil)
        #expect(kept == 1)
        #expect(tier.usage.entries == 0)
    }

    @Test("The sweep frees what expired, some slots at a time")
    func sweep() {
        let tier = MemoryTier(capacity: 1 << 20, maximumEntry: 1 << 16)
        for index in 0..<100 {
            let seconds = index < 60 ? 1 : 100
            Self.insert(tier, "\(index)", Self.answer(freshness: Freshness(timeToLive: .seconds(seconds))))
        }
        tier.sweep(slots: 50, now: Self.start + .seconds(2))
        let afterHalf = tier.usage.entries
        tier.sweep(slots: 50, now: Self.start + .seconds(2))
        #expect(afterHalf == 50)
        #expect(tier.usage.entries == 40)
    }

    @Test("A purge outdates what it names and nothing else")
    func purge() {
        let tier = MemoryTier(capacity: 1 << 20, maximumEntry: 1 << 16)
        let now = Self.start
        func fill() {
            for (route, client) in [("r1", "c1"), ("r1", "c2"), ("r2", "c1"), ("r2", "c2")] {
                Self.insert(tier, route + client, Self.answer(tags: CacheTags(route: route, client: client)))
            }
        }
        func held() -> [String] {
            ["r1c1", "r1c2", "r2c1", "r2c2"].filter { tier.fresh(CacheKey.of($0), now: now) != nil }
        }
        fill()
        tier.purge(.route("r1"))
        let afterRoute = held()
        fill()
        tier.purge(.client("c2"))
        let afterClient = held()
        fill()
        tier.purge(.all)
        let afterAll = held()
        #expect(afterRoute == ["r2c1", "r2c2"])
        #expect(afterClient == ["r1c1", "r2c1"])
        #expect(afterAll.isEmpty)
    }

    @Test("An answer asked for before a purge is not kept after it")
    func purgeInFlight() {
        let tier = MemoryTier(capacity: 1 << 20, maximumEntry: 1 << 16)
        let stamp = tier.stamp(for: Self.tags)
        tier.purge(.route("gemini"))
        let taken = tier.insert(Self.answer(), for: CacheKey.of("a"), stamp: stamp, now: Self.start)
        #expect(!taken)
        #expect(tier.usage.entries == 0)
    }

    @Test("A copy that comes late does not replace a newer one")
    func lateCopy() {
        let tier = MemoryTier(capacity: 1 << 20, maximumEntry: 1 << 16)
        Self.insert(tier, "a", Self.answer(bytes: 2, at: Self.start + .seconds(5)))
        Self.insert(tier, "a", Self.answer(bytes: 1, at: Self.start))
        #expect(tier.fresh(CacheKey.of("a"), now: Self.start + .seconds(6))?.body.readableBytes == 2)
    }

    @Test("A small slice of a large buffer is counted and held as small")
    func slices() {
        let tier = MemoryTier(capacity: 1 << 20, maximumEntry: 1 << 16)
        var large = ByteBuffer(repeating: 0x20, count: 512 << 10)
        let body = large.readSlice(length: 100) ?? ByteBuffer()
        let answer = StoredAnswer(
            status: 200,
            fields: ByteBuffer(),
            body: body,
            storedAt: Self.start,
            freshness: Freshness(timeToLive: .seconds(1)),
            tags: Self.tags
        )
        Self.insert(tier, "a", answer)
        #expect(tier.usage.bytes < 2_000)
        #expect(tier.usage.entries == 1)
    }
}
