/// Numbers with a unit, as the configuration writes them.
enum UnitText {
    /// `250ms`, `10s`, `5m`, `1h`, `1d`.
    static func duration(_ text: String) -> Duration? {
        guard let (number, unit) = split(text), let milliseconds = millisecondsPerUnit(unit) else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: milliseconds)
        return overflow ? nil : .milliseconds(product)
    }

    static let durationForm = "a duration such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"1d\""

    /// `512B`, `64KiB`, `10MiB`, `1GiB`, in bytes.
    static func size(_ text: String) -> Int? {
        guard let (number, unit) = split(text) else { return nil }
        let factor: Int
        switch unit {
        case "B": factor = 1
        case "KiB": factor = 1 << 10
        case "MiB": factor = 1 << 20
        case "GiB": factor = 1 << 30
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    static let sizeForm = "a size such as \"512B\", \"64KiB\", \"10MiB\" or \"1GiB\""

    /// `10/minute`, `600/10s`, `200/s`: a count over a unit or a duration. A month has 30 days.
    static func rate(_ text: String) -> Rate? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let count = digits(parts[0]), count > 0 else { return nil }
        let window: Duration
        switch parts[1] {
        case "s", "second": window = .seconds(1)
        case "m", "minute": window = .seconds(60)
        case "h", "hour": window = .seconds(3_600)
        case "d", "day": window = .seconds(86_400)
        case "month": window = .seconds(30 * 86_400)
        default:
            guard let duration = duration(String(parts[1])), duration > .zero else { return nil }
            window = duration
        }
        return Rate(count: count, window: window)
    }

    static let rateForm = "a rate such as \"10/minute\", \"600/10s\" or \"200/s\""

    /// `0%`, `12.5%`, as thousandths of a per cent.
    static func percentage(_ text: String) -> Int? {
        guard text.hasSuffix("%") else { return nil }
        let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
        guard let first = parts.first, let whole = digits(first), whole <= 100 else { return nil }
        guard parts.count == 2 else { return parts.count == 1 ? whole * 1_000 : nil }
        guard parts[1].utf8.count <= 3, var fraction = digits(parts[1]) else { return nil }
        for _ in parts[1].utf8.count..<3 { fraction *= 10 }
        return whole * 1_000 + fraction
    }

    /// The largest unit that divides it.
    static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1_000 + attoseconds / 1_000_000_000_000_000
        for (unit, size) in [("d", Int64(86_400_000)), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
        where milliseconds >= size && milliseconds % size == 0 {
            return "\(milliseconds / size)\(unit)"
        }
        return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
    }

    /// The largest unit that divides it.
    static func text(size: Int) -> String {
        for (unit, factor) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where size >= factor && size % factor == 0 {
            return "\(size / factor)\(unit)"
        }
        return "\(size)B"
    }

    private static func split(_ text: String) -> (number: Int, unit: Substring)? {
        let end = text.firstIndex { !isDigit($0) } ?? text.endIndex
        guard let number = digits(text[..<end]) else { return nil }
        return (number, text[end...])
    }

    private static func millisecondsPerUnit(_ unit: Substring) -> Int? {
        switch unit {
        case "ms": 1
        case "s": 1_000
        case "m": 60_000
        case "h": 3_600_000
        case "d": 86_400_000
        default: nil
        }
    }

    private static func digits(_ text: Substring) -> Int? {
        !text.isEmpty && text.allSatisfy(isDigit) ? Int(text) : nil
    }

    private static func isDigit(_ character: Character) -> Bool {
        character.isASCII && character.isWholeNumber
    }
}
