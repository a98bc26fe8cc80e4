/// `${NAME}` and `${NAME:-default}` in a text, replaced from the environment.
///
/// As in a shell, the default stands for a variable that is unset or empty; it ends at the first `}`.
struct EnvironmentExpansion {
    enum Failure: Error, Equatable {
        case unset(String)
        case unclosed
        case badName(String)

        var message: String {
            switch self {
            case .unset(let name): "variable \(name) is not set: set it, or write ${\(name):-default}"
            case .unclosed: "${ without }: write ${NAME} or ${NAME:-default}"
            case .badName(let name): "\"\(name)\" is no variable's name: write ${NAME} or ${NAME:-default}"
            }
        }
    }

    let text: String
    /// The variables that the text refers to, in order.
    let variables: [String]

    init(_ source: String, environment: [String: String]) throws(Failure) {
        var text = ""
        var variables: [String] = []
        var rest = source[...]
        while let start = Self.reference(in: rest) {
            text += rest[..<start]
            let body = rest[start...].dropFirst(2)
            guard let end = body.firstIndex(of: "}") else { throw .unclosed }
            let (name, fallback) = Self.parts(of: body[..<end])
            guard Self.isName(name) else { throw .badName(String(name)) }
            variables.append(String(name))
            let value = environment[String(name)]
            if let fallback {
                text += value.flatMap { $0.isEmpty ? nil : $0 } ?? String(fallback)
            } else if let value {
                text += value
            } else {
                throw .unset(String(name))
            }
            rest = body[end...].dropFirst()
        }
        self.text = text + rest
        self.variables = variables
    }

    private static func reference(in text: Substring) -> Substring.Index? {
        var index = text.startIndex
        while let dollar = text[index...].firstIndex(of: "$") {
            let next = text.index(after: dollar)
            if next < text.endIndex, text[next] == "{" { return dollar }
            index = next
        }
        return nil
    }

    private static func parts(of reference: Substring) -> (name: Substring, fallback: Substring?) {
        guard let colon = reference.firstIndex(of: ":"), reference[colon...].hasPrefix(":-") else {
            return (reference, nil)
        }
        return (reference[..<colon], reference[colon...].dropFirst(2))
    }

    private static func isName(_ name: Substring) -> Bool {
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
