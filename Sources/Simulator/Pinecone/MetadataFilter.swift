/// A filter on metadata: `$eq $ne $gt $gte $lt $lte $in $nin $exists $and $or`; a bare value means `$eq`.
package struct MetadataFilter: Sendable, Equatable {
    private let root: Node

    /// - Throws: a sentence that names the operator or value that is not understood.
    package init(_ json: [String: JSONValue]) throws(FilterError) {
        root = .all(try Self.nodes(json, depth: 0))
    }

    package func matches(_ metadata: [String: JSONValue]?) -> Bool {
        root.matches(metadata ?? [:])
    }

    private indirect enum Node: Sendable, Equatable {
        case all([Node])
        case any([Node])
        case equal(String, JSONValue)
        case among(String, [JSONValue])
        case exists(String)
        case compare(String, Comparison, Double)
        case not(Node)

        func matches(_ metadata: [String: JSONValue]) -> Bool {
            switch self {
            case .all(let nodes): nodes.allSatisfy { $0.matches(metadata) }
            case .any(let nodes): nodes.contains { $0.matches(metadata) }
            case .equal(let field, let value): Self.holds(metadata[field], value)
            case .among(let field, let values): values.contains { Self.holds(metadata[field], $0) }
            case .exists(let field): metadata[field] != nil
            case .compare(let field, let comparison, let bound):
                if case .number(let value) = metadata[field] { comparison.holds(value, bound) } else { false }
            case .not(let node): !node.matches(metadata)
            }
        }

        /// A list of strings holds a value if one of its elements equals it.
        private static func holds(_ field: JSONValue?, _ value: JSONValue) -> Bool {
            if case .array(let elements) = field { elements.contains(value) } else { field == value }
        }
    }

    private enum Comparison: String, Sendable {
        case above = "$gt"
        case notBelow = "$gte"
        case below = "$lt"
        case notAbove = "$lte"

        func holds(_ left: Double, _ right: Double) -> Bool {
            switch self {
            case .above: left > right
            case .notBelow: left >= right
            case .below: left < right
            case .notAbove: left <= right
            }
        }
    }

    private static let maximumDepth = 32

    private static func nodes(_ json: [String: JSONValue], depth: Int) throws(FilterError) -> [Node] {
        guard depth < maximumDepth else { throw FilterError(reason: "filter is nested too deeply") }
        var nodes: [Node] = []
        for (name, value) in json.sorted(by: { $0.key < $1.key }) {
            switch (name, value) {
            case ("$and", .array(let parts)): nodes.append(.all(try groups(parts, depth: depth)))
            case ("$or", .array(let parts)): nodes.append(.any(try groups(parts, depth: depth)))
            case (_, .object(let operators)) where !name.hasPrefix("$"):
                for (word, operand) in operators.sorted(by: { $0.key < $1.key }) {
                    nodes.append(try node(field: name, word, operand))
                }
            case (_, .string), (_, .number), (_, .bool):
                guard !name.hasPrefix("$") else { fallthrough }
                nodes.append(.equal(name, value))
            default: throw FilterError(reason: "illegal condition for field \(name)")
            }
        }
        return nodes
    }

    private static func groups(_ parts: [JSONValue], depth: Int) throws(FilterError) -> [Node] {
        var groups: [Node] = []
        for part in parts {
            guard case .object(let members) = part else { throw FilterError(reason: "$and and $or take objects") }
            groups.append(.all(try nodes(members, depth: depth + 1)))
        }
        return groups
    }

    private static func node(field: String, _ word: String, _ operand: JSONValue) throws(FilterError) -> Node {
        switch (word, operand) {
        case ("$eq", _): return .equal(field, operand)
        case ("$ne", _): return .not(.equal(field, operand))
        case ("$in", .array(let values)): return .among(field, values)
        case ("$nin", .array(let values)): return .not(.among(field, values))
        case ("$exists", .bool(let wanted)): return wanted ? .exists(field) : .not(.exists(field))
        case (_, .number(let bound)):
            guard let comparison = Comparison(rawValue: word) else { fallthrough }
            return .compare(field, comparison, bound)
        default: throw FilterError(reason: "\(word) is not a valid operator, or its operand is of the wrong type")
        }
    }
}

package struct FilterError: Error, Equatable {
    package let reason: String
}
