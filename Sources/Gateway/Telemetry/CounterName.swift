internal import Pacing

/// A counter's name in the cluster's totals: its parts, any of which may be what a caller chose.
struct CounterName: Hashable, Sendable {
    /// As Redis keeps it: the parts with tabs between them. A tab in a part is `\t`, a backslash two.
    private let exact: ExactName

    var field: String { exact.text }

    init(_ parts: String...) {
        exact = ExactName(parts.map(Self.escaped).joined(separator: "\t"))
    }

    init(field: String) { exact = ExactName(field) }

    /// By bytes, as in `field`: a mark that combines makes no `Character` with the tab before it.
    var parts: [String] {
        field.utf8.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false).map { part in
            Self.unescaped(String(decoding: part, as: UTF8.self))
        }
    }

    private static func escaped(_ part: String) -> String {
        guard part.utf8.contains(where: { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\\") }) else { return part }
        var bytes: [UInt8] = []
        for byte in part.utf8 {
            switch byte {
            case UInt8(ascii: "\t"): bytes += #"\t"#.utf8
            case UInt8(ascii: "\\"): bytes += #"\\"#.utf8
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func unescaped(_ part: String) -> String {
        guard part.utf8.contains(UInt8(ascii: "\\")) else { return part }
        var bytes: [UInt8] = []
        var isEscaped = false
        for byte in part.utf8 {
            if isEscaped {
                bytes.append(byte == UInt8(ascii: "t") ? UInt8(ascii: "\t") : byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
