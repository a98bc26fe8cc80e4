/// Durations as the flags and the run-time settings write them: `250ms`, `10s`, `5m`, `1h`, `1d`.
extension Duration {
    /// Reads a whole or decimal number with a unit: us, ms, s, m, h or d. Nil for anything else and for negative numbers.
    package init?(text: String) {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let units: [Substring: Double] = ["us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let value = Double(number), let unit = units[text.dropFirst(number.count)] else { return nil }
        let microseconds = value * unit * 1e6
        guard microseconds < 1e15 else { return nil }
        self = .microseconds(Int64(microseconds.rounded()))
    }

    /// The shortest text that `init(text:)` reads back, to the microsecond.
    package var text: String {
        let microseconds = wholeMicroseconds
        guard microseconds != 0 else { return "0s" }
        let units: [(name: String, size: Int64)] = [
            ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000),
        ]
        let unit = units.first { microseconds.isMultiple(of: $0.size) } ?? ("us", 1)
        return "\(microseconds / unit.size)\(unit.name)"
    }

    /// Whole microseconds, rounded down.
    package var wholeMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }

    /// Seconds with their fraction.
    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
