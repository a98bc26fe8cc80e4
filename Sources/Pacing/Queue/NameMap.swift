/// Values by name, which is compared by its bytes.
struct NameMap<Value> {
    private var entries: [ExactName: Value] = [:]

    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }
    var values: some Collection<Value> { entries.values }
    /// In no order.
    var names: some Collection<String> { entries.keys.lazy.map(\.text) }

    subscript(name: String) -> Value? {
        get { entries[ExactName(name)] }
        _modify { yield &entries[ExactName(name)] }
    }

    subscript(name: String, default value: @autoclosure () -> Value) -> Value {
        get { entries[ExactName(name), default: value()] }
        _modify { yield &entries[ExactName(name), default: value()] }
    }

    mutating func removeValue(forKey name: String) -> Value? { entries.removeValue(forKey: ExactName(name)) }

    mutating func removeAll(keepingCapacity keeps: Bool) { entries.removeAll(keepingCapacity: keeps) }

    mutating func keep(where isKept: (String, Value) -> Bool) {
        entries = entries.filter { isKept($0.key.text, $0.value) }
    }
}

extension NameMap: Sendable where Value: Sendable {}

extension NameMap: ExpressibleByDictionaryLiteral {
    init(dictionaryLiteral elements: (String, Value)...) {
        for (name, value) in elements { entries[ExactName(name)] = value }
    }
}
