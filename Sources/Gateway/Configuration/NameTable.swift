/// Names that other tables refer to, with the place each was given at.
struct NameTable {
    /// What is named, for a message: "limit".
    let kind: String
    private var entries: [String: (index: Int, path: String)] = [:]

    init(kind: String) {
        self.kind = kind
    }

    /// - Parameter index: where references lead.
    mutating func add(_ name: String, index: Int, table: TableReader) {
        if let earlier = entries[name] {
            table.fail(table.has("name") ? "name" : nil, "\(kind) \"\(name)\" is named twice; first at \(earlier.path)")
        } else {
            entries[name] = (index, table.path)
        }
    }

    func contains(_ name: String) -> Bool { entries[name] != nil }

    /// `nil`: undefined, which is noted at `path`.
    func resolve(_ name: String, at path: String, in context: ReadingContext) -> Int? {
        if let entry = entries[name] { return entry.index }
        let hint = NearestName.hint(for: name, among: entries.keys.sorted())
        let known = entries.isEmpty ? "; there is no [[\(kind)]]" : hint
        context.fail(path, "no [[\(kind)]] is named \"\(name)\"\(known)")
        return nil
    }
}

/// What a name may be: it becomes part of metrics, log lines, Redis keys, addresses and header fields.
enum NameRule {
    private static let punctuation = Array("._-:@+".utf8)

    static func allows(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 64
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: punctuation.contains(byte)
                }
            }
    }

    static let message = "must be 1 to 64 letters, digits or . _ - : @ +"
}

extension TableReader {
    /// The table's `name`, which has to be there.
    func requiredName() -> String? {
        guard has("name") else {
            _ = value("name")
            fail(nil, "has no name")
            return nil
        }
        return optionalName()
    }

    func optionalName() -> String? {
        guard let name = string("name") else { return nil }
        guard NameRule.allows(name) else {
            fail("name", "\(NameRule.message), is \"\(name)\"")
            return nil
        }
        return name
    }
}
