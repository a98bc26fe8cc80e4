import NIOCore
import ResponseCache
import TestSupport
import Testing

/// Random JSON, written in many ways, and changed in one place.
@Suite struct CanonicalPropertyTests {
    indirect enum Value: Equatable {
        case object([(String, Value)])
        case array([Value])
        case string(String)
        case number(String)
        case bool(Bool)
        case null

        static func == (left: Value, right: Value) -> Bool {
            switch (left, right) {
            case (.object(let left), .object(let right)):
                left.count == right.count
                    && left.allSatisfy { name, value in
                        right.contains { $0.0.utf8.elementsEqual(name.utf8) && $0.1 == value }
                    }
            case (.array(let left), .array(let right)): left == right
            case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
            case (.number(let left), .number(let right)): left == right
            case (.bool(let left), .bool(let right)): left == right
            case (.null, .null): true
            default: false
            }
        }
    }

    private static let letters = ["a", "b", "é", "😀", "\"", "\\", "\n", "\u{0}", "/", "long member name ", "中"]

    private static func text(_ random: inout SeededGenerator) -> String {
        (0..<Int.random(in: 0...4, using: &random)).map { _ in letters.randomElement(using: &random) ?? "" }.joined()
    }

    private static func value(_ random: inout SeededGenerator, depth: Int) -> Value {
        switch Int.random(in: 0...(depth > 3 ? 3 : 5), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2:
            return .number(["0", "-1", "1.50", "2e10", "12345678901234567890"].randomElement(using: &random) ?? "0")
        case 3: return .string(text(&random))
        case 4:
            let count = Int.random(in: 0...4, using: &random)
            return .array((0..<count).map { _ in value(&random, depth: depth + 1) })
        default:
            var members: [(String, Value)] = []
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                let name = text(&random)
                if members.contains(where: { $0.0.utf8.elementsEqual(name.utf8) }) { continue }
                members.append((name, value(&random, depth: depth + 1)))
            }
            return .object(members)
        }
    }

    private static func space(_ random: inout SeededGenerator) -> String {
        ["", "", "", " ", "\n", "\t \r"].randomElement(using: &random) ?? ""
    }

    private static func quoted(_ text: String, _ random: inout SeededGenerator) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
            guard mustEscape || Int.random(in: 0..<3, using: &random) == 0 else {
                out.unicodeScalars.append(scalar)
                continue
            }
            for unit in String(scalar).utf16 {
                let digits = String(unit, radix: 16, uppercase: .random(using: &random))
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return out + "\""
    }

    private static func written(_ value: Value, _ random: inout SeededGenerator) -> String {
        let before = space(&random)
        let after = space(&random)
        let text: String
        switch value {
        case .null: text = "null"
        case .bool(let flag): text = flag ? "true" : "false"
        case .number(let digits): text = digits
        case .string(let content): text = quoted(content, &random)
        case .array(let elements):
            text = "[" + elements.map { written($0, &random) }.joined(separator: ",") + before + "]"
        case .object(let members):
            let parts = members.shuffled(using: &random).map { name, value in
                space(&random) + quoted(name, &random) + space(&random) + ":" + written(value, &random)
            }
            text = "{" + parts.joined(separator: ",") + before + "}"
        }
        return before + text + after
    }

    private static func key(_ body: String) throws -> CacheKey {
        try CacheKeyBuilder(maximumBody: 1 << 20).key(
            for: KeyComponents(
                tenant: nil,
                route: "r",
                upstream: "u",
                method: "POST",
                path: ByteBuffer(string: "/").readableBytesView,
                contentType: ByteBuffer(string: "application/json").readableBytesView,
                body: ByteBuffer(string: body)
            )
        )
    }

    @Test("However a value is written, its key is the same; another value's is another", arguments: 0..<40)
    func written(seed: Int) throws {
        var random = SeededGenerator(seed: seed)
        var seen: [(Value, CacheKey)] = []
        for _ in 0..<20 {
            let value = Self.value(&random, depth: 0)
            let first = try Self.key(Self.written(value, &random))
            let second = try Self.key(Self.written(value, &random))
            #expect(first == second)
            for (other, key) in seen { #expect((other == value) == (key == first)) }
            seen.append((value, first))
        }
    }
}
