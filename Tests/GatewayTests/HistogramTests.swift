import Gateway
import NIOCore
import Testing

@Suite("Latency histograms")
struct HistogramTests {
    @Test("A quantile is right within an eighth", arguments: [3, 50, 1_234, 98_765, 4_000_000])
    func precision(micros: Int64) {
        var histogram = Histogram()
        for _ in 0..<100 { histogram.record(.microseconds(micros)) }
        let seconds = Double(micros) / 1e6
        let median = histogram.quantile(0.5)
        #expect(median >= seconds)
        #expect(median <= seconds * 1.13 + 1e-6)
    }

    @Test("A window forgets what is older than itself")
    func window() {
        var rolling = RollingHistogram()
        let start = NIODeadline.uptimeNanoseconds(0) + .hours(10)
        rolling.record(.seconds(1), at: start)
        rolling.record(.milliseconds(1), at: start + .seconds(90))
        let minute = rolling.window(minutes: 1, at: start + .seconds(90))
        let five = rolling.window(minutes: 5, at: start + .seconds(90))
        let later = rolling.window(minutes: 60, at: start + .hours(2))
        #expect(minute.total == 1)
        #expect(five.total == 2)
        #expect(later.total == 0)
        #expect(rolling.all.total == 2)
    }
}
