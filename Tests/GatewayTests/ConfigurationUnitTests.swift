import Gateway
import Testing

@Suite struct ConfigurationUnitTests {
    private func limit(rate: String) -> Rate? {
        let text = "[[limit]]\nname = \"a\"\nby = \"ip\"\nrate = \"\(rate)\""
        return try? readConfiguration(text).limits[0].rate
    }

    @Test(
        "Durations",
        arguments: [
            ("250ms", Duration.milliseconds(250)), ("10s", .seconds(10)), ("5m", .seconds(300)),
            ("1h", .seconds(3_600)),
            ("1d", .seconds(86_400)), ("0s", .zero), ("007s", .seconds(7)),
            ("", nil), ("s", nil), ("10", nil), ("10 s", nil), ("-1s", nil), ("1.5s", nil), ("1w", nil), ("1S", nil),
            ("31d", nil), ("99999999999999999999s", nil), ("9223372036854775807d", nil), ("１s", nil),
        ] as [(String, Duration?)]
    )
    func durations(text: String, expected: Duration?) {
        #expect((try? readConfiguration("[server]\ndrain_timeout = \"\(text)\"").server.drainTimeout) == expected)
    }

    @Test(
        "Sizes",
        arguments: [
            ("512B", 512), ("64KiB", 65_536), ("10MiB", 10 << 20), ("1GiB", 1 << 30), ("0B", 0),
            ("", nil), ("10", nil), ("10MB", nil), ("10mib", nil), ("1.5MiB", nil), ("-1B", nil), ("2000GiB", nil),
            ("9223372036854775807GiB", nil),
        ] as [(String, Int?)]
    )
    func sizes(text: String, expected: Int?) {
        #expect((try? readConfiguration("[server]\nmax_body = \"\(text)\"").server.maxBody) == expected)
    }

    @Test(
        "Rates",
        arguments: [
            ("10/minute", 10, Duration.seconds(60)), ("600/10s", 600, .seconds(10)), ("200/s", 200, .seconds(1)),
            ("1/second", 1, .seconds(1)), ("5/m", 5, .seconds(60)), ("5/h", 5, .seconds(3_600)),
            ("5/hour", 5, .seconds(3_600)), ("5/d", 5, .seconds(86_400)), ("5/day", 5, .seconds(86_400)),
            ("5/month", 5, .seconds(30 * 86_400)), ("1/500ms", 1, .milliseconds(500)),
            ("1000000/s", 1_000_000, .seconds(1)),
        ]
    )
    func rates(text: String, count: Int, window: Duration) {
        #expect(limit(rate: text) == Rate(count: count, window: window))
    }

    @Test(
        "No rates",
        arguments: ["", "10", "/s", "10/", "0/s", "-1/s", "1.5/s", "10/0s", "10/week", "10/s/s", "10 / s"]
    )
    func noRates(text: String) {
        #expect(limit(rate: text) == nil)
    }
}
