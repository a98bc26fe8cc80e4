internal import TOMLKit

/// A value of the file before its meaning is known. Keeps TOMLKit out of everything else.
enum SourceValue {
    case string(String)
    case integer(Int)
    case decimal(Double)
    case boolean(Bool)
    case array([SourceValue])
    case table([String: SourceValue])
    case date

    /// For a sentence such as "must be a string, is an integer".
    var kind: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .decimal: "a decimal number"
        case .boolean: "a boolean"
        case .array: "an array"
        case .table: "a table"
        case .date: "a date or time"
        }
    }

    /// - Throws: the parser's one error, with the line.
    static func parse(_ text: String) throws(ConfigurationErrors) -> [String: SourceValue] {
        // The parser takes a C string: what follows a NUL would be left out in silence.
        if let nul = text.utf8.firstIndex(of: 0) {
            let line = text.utf8[..<nul].count { $0 == UInt8(ascii: "\n") } + 1
            throw ConfigurationErrors([ConfigurationError(path: "", line: line, message: "holds a NUL byte")])
        }
        if let trap = KeyLocator(text).trap {
            _ = try parse(String(decoding: text.utf8.prefix(trap.prefixLength), as: UTF8.self))
            let error = ConfigurationError(path: "", line: trap.line, message: "not TOML: \(trap.message)")
            throw ConfigurationErrors([error])
        }
        do {
            return members(of: try TOMLTable(string: text))
        } catch let error as TOMLParseError {
            let message = "not TOML: \(error.description)"
            throw ConfigurationErrors([ConfigurationError(path: "", line: error.source.begin.line, message: message)])
        } catch {
            throw ConfigurationErrors([ConfigurationError(path: "", line: nil, message: "not TOML: \(error)")])
        }
    }

    private static func members(of table: TOMLTable) -> [String: SourceValue] {
        var members: [String: SourceValue] = [:]
        for key in table.keys {
            if let value = table[key] { members[key] = SourceValue(value) }
        }
        return members
    }

    private init(_ value: any TOMLValueConvertible) {
        if let string = value.string {
            self = .string(string)
        } else if let integer = value.int {
            self = .integer(integer)
        } else if let decimal = value.double {
            self = .decimal(decimal)
        } else if let boolean = value.bool {
            self = .boolean(boolean)
        } else if let array = value.array {
            self = .array(array.map { SourceValue($0) })
        } else if let table = value.table {
            self = .table(Self.members(of: table))
        } else {
            self = .date
        }
    }
}
