internal import Simulator
internal import Testing

@Suite struct SlidingWindowTests {
    @Test("A window is half-open: what came exactly one length ago no longer counts")
    func halfOpen() {
        var window = SlidingWindow(limit: 1, length: .seconds(60))
        window.record(1, at: .zero)
        #expect(!window.fits(1, at: .seconds(60) - .nanoseconds(1)))
        #expect(window.fits(1, at: .seconds(60)))
    }

    @Test("No window whatever its start holds more than the limit", arguments: [1, 7, 60])
    func everyWindow(limit: Int) {
        var generator = SeededGenerator(seed: UInt64(limit))
        var window = SlidingWindow(limit: limit, length: .milliseconds(500))
        var passed: [Int] = []
        var now = 0
        for _ in 0..<3000 {
            now += Int.random(in: 0...12, using: &generator)
            if window.fits(1, at: .milliseconds(now)) {
                window.record(1, at: .milliseconds(now))
                passed.append(now)
            }
        }
        let counts = passed.map { start in passed.count { $0 >= start && $0 < start + 500 } }
        #expect(counts.max() == limit)
        #expect(window.peak == limit)
    }

    @Test("An arrival that is reported late is judged by all windows that it falls into")
    func overtaken() {
        var window = SlidingWindow(limit: 2, length: .seconds(10))
        window.record(1, at: .seconds(1))
        window.record(1, at: .seconds(9.5))
        #expect(!window.fits(1, at: .seconds(9)), "three in [1, 11)")
        window.record(1, at: .seconds(0.5))
        #expect(window.peak == 3)
        #expect(window.fits(1, at: .seconds(11)))
    }

    @Test("Weights add up, and what exceeds the limit alone never fits")
    func weights() {
        var window = SlidingWindow(limit: 100, length: .seconds(60))
        window.record(70, at: .zero)
        #expect(window.fits(30, at: .seconds(1)))
        #expect(!window.fits(31, at: .seconds(1)))
        #expect(!window.fits(101, at: .seconds(600)))
        #expect(window.wait(for: 101, at: .seconds(1)) == nil)
    }

    @Test("The wait ends when enough has left the window")
    func wait() {
        var window = SlidingWindow(limit: 3, length: .seconds(60))
        for second in [0, 10, 20] { window.record(1, at: .seconds(second)) }
        #expect(window.wait(for: 1, at: .seconds(25)) == .seconds(35))
        #expect(window.wait(for: 2, at: .seconds(25)) == .seconds(45))
        #expect(window.wait(for: 3, at: .seconds(90)) == .zero)
    }

    @Test("Refused arrivals that are recorded keep the window full")
    func refused() {
        var window = SlidingWindow(limit: 1, length: .seconds(1))
        for tick in 0...4 { window.record(1, at: .milliseconds(tick * 300)) }
        #expect(window.peak == 4)
        #expect(!window.fits(1, at: .milliseconds(2199)))
        #expect(window.fits(1, at: .milliseconds(2200)))
    }

    @Test("Memory is bounded, and the last arrivals still decide")
    func bounded() {
        var window = SlidingWindow(limit: 10, length: .seconds(86_400), capacity: 20)
        for tick in 0..<1000 { window.record(1, at: .milliseconds(tick)) }
        #expect(window.sum(at: .seconds(1)) == 20)
        #expect(!window.fits(1, at: .seconds(2)))
    }

    @Test("A limit that is lowered holds for what arrived before")
    func lowered() {
        var window = SlidingWindow(limit: 10, length: .seconds(60))
        for _ in 0..<5 { window.record(1, at: .zero) }
        window.limit = 5
        #expect(!window.fits(1, at: .seconds(1)))
    }
}
