/// Reads the keys of one table, each with its type and range, and knows which were never asked for.
///
/// A mistake is noted and answered with the default, so that reading goes on and all mistakes are found at once.
final class TableReader {
    /// Such as `upstream[1].queue`; empty: the file itself.
    let path: String
    let context: ReadingContext
    private let members: [String: SourceValue]
    private var asked: Set<String> = []

    init(path: String, members: [String: SourceValue], context: ReadingContext) {
        self.path = path
        self.members = members
        self.context = context
    }

    func has(_ key: String) -> Bool { members[key] != nil }

    func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// - Parameter key: `nil`: the table itself is at fault.
    func fail(_ key: String?, _ message: String) {
        context.fail(key.map(path(of:)) ?? path, message)
    }

    /// Notes every key that nobody asked for; to be called last.
    func finish() {
        for key in members.keys where !asked.contains(key) {
            let guess = NearestName.hint(for: key, among: asked.sorted())
            let known = guess.isEmpty ? "; known here: \(asked.sorted().joined(separator: ", "))" : guess
            fail(key, "unknown key\(known)")
        }
    }

    func value(_ key: String) -> SourceValue? {
        asked.insert(key)
        context.note(key: path(of: key))
        return members[key]
    }

    /// The text with its variables replaced; `nil`: left out, or at fault.
    func expanded(_ key: String) -> EnvironmentExpansion? {
        guard let value = value(key) else { return nil }
        guard case .string(let source) = value else {
            fail(key, "must be a string, is \(value.kind)")
            return nil
        }
        return expand(source, at: path(of: key))
    }

    func string(_ key: String) -> String? { expanded(key)?.text }

    func boolean(_ key: String, default fallback: Bool) -> Bool {
        guard let value = value(key) else { return fallback }
        if case .boolean(let boolean) = value { return boolean }
        fail(key, "must be true or false, is \(value.kind)")
        return fallback
    }

    /// An integer, or a string that holds one and came from the environment.
    func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = value(key) else { return nil }
        var integer: Int?
        switch value {
        case .integer(let number): integer = number
        case .string(let source) where source.contains("${"):
            guard let text = expand(source, at: path(of: key))?.text else { return nil }
            integer = Int(text)
            if integer == nil { fail(key, "must be an integer, is \"\(text)\"") }
        default: fail(key, "must be an integer, is \(value.kind)")
        }
        guard let integer else { return nil }
        guard range.contains(integer) else {
            fail(key, "must be from \(range.lowerBound) to \(range.upperBound), is \(integer)")
            return nil
        }
        return integer
    }

    /// Zero or more.
    func decimal(_ key: String) -> Double? {
        guard let value = value(key) else { return nil }
        let number: Double
        switch value {
        case .decimal(let decimal): number = decimal
        case .integer(let integer): number = Double(integer)
        default:
            fail(key, "must be a number, is \(value.kind)")
            return nil
        }
        guard number >= 0, number.isFinite else {
            fail(key, "must be 0 or more, is \(number)")
            return nil
        }
        return number
    }

    func choice<Choice: RawRepresentable & CaseIterable>(_ key: String) -> Choice? where Choice.RawValue == String {
        guard let text = string(key) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map(\.rawValue)
        let hint = NearestName.hint(for: text, among: words)
        fail(key, "must be \(Self.list(words)), is \"\(text)\"\(hint)")
        return nil
    }

    func duration(_ key: String, in range: ClosedRange<Duration>) -> Duration? {
        guard let text = unitText(key, form: UnitText.durationForm) else { return nil }
        return duration(text, key, range)
    }

    /// An empty text is none.
    func optionalDuration(_ key: String, in range: ClosedRange<Duration>) -> Duration? {
        guard let text = unitText(key, form: UnitText.durationForm), !text.isEmpty else { return nil }
        return duration(text, key, range)
    }

    private func duration(_ text: String, _ key: String, _ range: ClosedRange<Duration>) -> Duration? {
        guard let duration = UnitText.duration(text) else {
            fail(key, "must be \(UnitText.durationForm), is \"\(text)\"")
            return nil
        }
        guard range.contains(duration) else {
            let bounds = "\(UnitText.text(range.lowerBound)) to \(UnitText.text(range.upperBound))"
            fail(key, "must be from \(bounds), is \"\(text)\"")
            return nil
        }
        return duration
    }

    /// In bytes.
    func size(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let text = unitText(key, form: UnitText.sizeForm) else { return nil }
        guard let size = UnitText.size(text) else {
            fail(key, "must be \(UnitText.sizeForm), is \"\(text)\"")
            return nil
        }
        guard range.contains(size) else {
            let bounds = "\(UnitText.text(size: range.lowerBound)) to \(UnitText.text(size: range.upperBound))"
            fail(key, "must be from \(bounds), is \"\(text)\"")
            return nil
        }
        return size
    }

    /// A string; a bare number gets told which unit it lacks.
    func unitText(_ key: String, form: String) -> String? {
        guard let value = value(key) else { return nil }
        guard case .string(let source) = value else {
            fail(key, "must be \(form), is \(value.kind)")
            return nil
        }
        return expand(source, at: path(of: key))?.text
    }

    /// Texts with the paths they stand at; a single string counts as one of them where `allowsOne`.
    func strings(_ key: String, allowsOne: Bool = false) -> [(text: String, path: String)]? {
        guard let value = value(key) else { return nil }
        let path = path(of: key)
        switch value {
        case .array(let elements):
            return elements.enumerated().compactMap { index, element in
                let place = "\(path)[\(index)]"
                guard case .string(let source) = element else {
                    context.fail(place, "must be a string, is \(element.kind)")
                    return nil
                }
                return expand(source, at: place).map { ($0.text, place) }
            }
        case .string(let source) where allowsOne:
            return expand(source, at: path).map { [($0.text, path)] }
        default:
            fail(key, "must be an array of strings, is \(value.kind)")
            return nil
        }
    }

    func table(_ key: String) -> TableReader? {
        guard let value = value(key) else { return nil }
        guard case .table(let members) = value else {
            fail(key, "must be a table, is \(value.kind)")
            return nil
        }
        return TableReader(path: path(of: key), members: members, context: context)
    }

    func tables(_ key: String) -> [TableReader] {
        guard let value = value(key) else { return [] }
        let path = path(of: key)
        guard case .array(let elements) = value else {
            fail(key, "must be an array of tables, written as [[\(path)]], is \(value.kind)")
            return []
        }
        return elements.enumerated().compactMap { index, element in
            guard case .table(let members) = element else {
                context.fail("\(path)[\(index)]", "must be a table, is \(element.kind)")
                return nil
            }
            return TableReader(path: "\(path)[\(index)]", members: members, context: context)
        }
    }

    /// A key whose feature this version has not.
    func refuse(_ key: String) {
        if value(key) != nil { fail(key, "not available in this version") }
    }

    private func expand(_ source: String, at path: String) -> EnvironmentExpansion? {
        do {
            return try EnvironmentExpansion(source, environment: context.environment)
        } catch {
            context.fail(path, error.message)
            return nil
        }
    }

    /// `"a", "b" or "c"`.
    private static func list(_ words: [String]) -> String {
        let quoted = words.map { "\"\($0)\"" }
        return quoted.dropLast().joined(separator: ", ") + (quoted.count > 1 ? " or " : "") + (quoted.last ?? "")
    }
}
