/// Finds the line of every key of a TOML text, by key paths such as `upstream[1].quota[0].per`.
///
/// For text that a parser has accepted: it reads headers, keys and nesting, skips strings and comments, and judges
/// nothing. What it does not understand it leaves out.
struct KeyLocator {
    private let bytes: [UInt8]
    private var index = 0
    private var line = 1
    private var lines: [String: Int] = [:]
    /// What would end the process inside of the parser, as toml++ 3 asserts instead of reporting it.
    struct Trap {
        let line: Int
        /// Bytes before the header or member with the mistake: they hold no trap.
        let prefixLength: Int
        let message: String
    }

    private(set) var trap: Trap?
    /// Where the header or member began that is being read.
    private var statementStart = 0
    /// How many tables an array of tables has so far.
    private var tableCounts: [String: Int] = [:]

    init(_ text: String) {
        bytes = Array(text.utf8)
        readDocument()
    }

    /// The key's line, else that of the nearest table around it.
    func line(of path: String) -> Int? {
        var path = Substring(path)
        while !path.isEmpty {
            if let line = lines[String(path)] { return line }
            guard let end = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return nil }
            path = path[..<end]
        }
        return nil
    }

    private mutating func readDocument() {
        var table = ""
        while true {
            skipBlank()
            guard let byte = peek else { return }
            statementStart = index
            if byte == UInt8(ascii: "[") {
                table = readHeader()
            } else {
                readMember(of: table)
            }
        }
    }

    /// `[a.b]` or `[[a.b]]`; the names before the last go through the newest table of an array.
    private mutating func readHeader() -> String {
        let start = line
        index += 1
        let isArray = peek == UInt8(ascii: "[")
        if isArray { index += 1 }
        skipSpaces()
        if let byte = peek, !Self.beginsKey(byte), byte != UInt8(ascii: "]") {
            noteTrap("a header needs a name, as in [server] or [[route]]")
        }
        let names = readKey()
        skipLine()
        var path = ""
        for (position, name) in names.enumerated() {
            path = Self.join(path, name)
            note(path, at: start)
            if position == names.count - 1, isArray { tableCounts[path, default: 0] += 1 }
            if let count = tableCounts[path] { path += "[\(count - 1)]" }
            note(path, at: start)
        }
        return path
    }

    private mutating func readMember(of table: String) {
        let start = line
        let before = index
        let names = readKey()
        skipSpaces()
        guard !names.isEmpty, peek == UInt8(ascii: "=") else {
            // Never stand still, whatever the text is.
            index = max(index, before + 1)
            return
        }
        index += 1
        var path = table
        for name in names {
            path = Self.join(path, name)
            note(path, at: start)
        }
        readValue(of: path)
    }

    /// Bare or quoted names with dots between them.
    private mutating func readKey() -> [String] {
        var names: [String] = []
        while true {
            skipSpaces()
            guard let byte = peek else { return names }
            if byte == .quotationMark || byte == .apostrophe {
                let start = index
                skipString(quote: byte)
                names.append(String(decoding: bytes[(start + 1)..<max(start + 1, index - 1)], as: UTF8.self))
            } else {
                let start = index
                while let byte = peek, Self.isBareKeyByte(byte) { index += 1 }
                guard index > start else { return names }
                names.append(String(decoding: bytes[start..<index], as: UTF8.self))
            }
            skipSpaces()
            guard peek == UInt8(ascii: ".") else { return names }
            index += 1
        }
    }

    private mutating func readValue(of path: String) {
        skipSpaces()
        guard let byte = peek else { return }
        switch byte {
        case .quotationMark, .apostrophe: skipString(quote: byte)
        case UInt8(ascii: "["):
            index += 1
            readElements(of: path)
        case UInt8(ascii: "{"):
            index += 1
            readInlineTable(path)
        default:
            while let byte = peek, !Self.endsScalar(byte) { index += 1 }
        }
    }

    private mutating func readElements(of path: String) {
        var count = 0
        while true {
            skipBlank()
            guard let byte = peek else { return }
            if byte == UInt8(ascii: "]") {
                index += 1
                return
            }
            if byte == UInt8(ascii: ",") {
                index += 1
                continue
            }
            if byte == UInt8(ascii: "}") { noteTrap("an array ends with ], not with }") }
            let before = index
            let element = "\(path)[\(count)]"
            note(element, at: line)
            readValue(of: element)
            index = max(index, before + 1)
            count += 1
        }
    }

    private mutating func readInlineTable(_ path: String) {
        while true {
            skipBlank()
            guard let byte = peek else { return }
            if byte == UInt8(ascii: "}") {
                index += 1
                return
            }
            if byte == UInt8(ascii: ",") {
                index += 1
            } else {
                readMember(of: path)
            }
        }
    }

    private mutating func skipString(quote: UInt8) {
        let isLong = index + 2 < bytes.count && bytes[index + 1] == quote && bytes[index + 2] == quote
        index += isLong ? 3 : 1
        while let byte = peek {
            index += 1
            if byte == .lineFeed { line += 1 }
            if byte == .reverseSolidus, quote == .quotationMark {
                if peek == .lineFeed { line += 1 }
                index += 1
            } else if byte == quote {
                guard isLong else { return }
                guard peek == quote, index + 1 < bytes.count, bytes[index + 1] == quote else { continue }
                index += 2
                // Up to two quotes may stand right before the closing three.
                while peek == quote { index += 1 }
                return
            }
        }
    }

    private mutating func skipSpaces() {
        while let byte = peek, byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { index += 1 }
    }

    /// Spaces, line ends and comments.
    private mutating func skipBlank() {
        while let byte = peek {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): index += 1
            case .lineFeed:
                index += 1
                line += 1
            case UInt8(ascii: "#"): skipToLineEnd()
            default: return
            }
        }
    }

    private mutating func skipLine() {
        skipToLineEnd()
        if peek == .lineFeed {
            index += 1
            line += 1
        }
    }

    private mutating func skipToLineEnd() {
        while let byte = peek, byte != .lineFeed { index += 1 }
    }

    private mutating func noteTrap(_ message: String) {
        if trap == nil { trap = Trap(line: line, prefixLength: statementStart, message: message) }
    }

    private mutating func note(_ path: String, at line: Int) {
        if lines[path] == nil { lines[path] = line }
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private static func join(_ path: String, _ name: String) -> String {
        path.isEmpty ? name : "\(path).\(name)"
    }

    private static func endsScalar(_ byte: UInt8) -> Bool {
        byte == .lineFeed || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}")
            || byte == UInt8(ascii: "#")
    }

    private static func beginsKey(_ byte: UInt8) -> Bool {
        isBareKeyByte(byte) || byte == .quotationMark || byte == .apostrophe
    }

    private static func isBareKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension UInt8 {
    fileprivate static let quotationMark = UInt8(ascii: "\"")
    fileprivate static let apostrophe = UInt8(ascii: "'")
    fileprivate static let reverseSolidus = UInt8(ascii: "\\")
    fileprivate static let lineFeed = UInt8(ascii: "\n")
}
