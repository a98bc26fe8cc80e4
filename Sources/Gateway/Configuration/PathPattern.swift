package import NIOCore

/// A route's path: `*` is one segment, `**` any number of them, `{a,b}` either.
///
/// Matched on the raw bytes of a request's path, segment by segment, case and escapes as they came. Where `**` ends a
/// pattern, the path before it matches too: `/chat/**` takes `/chat`, `/chat/` and `/chat/1`.
package struct PathPattern: Sendable, Equatable {
    /// Why a pattern is none.
    package enum Failure: Error, Equatable {
        case noLeadingSlash
        case misplacedDoubleStar
        case unbalancedBraces
        case slashInBraces
        case tooManyAlternatives

        package var message: String {
            switch self {
            case .noLeadingSlash: "must begin with /"
            case .misplacedDoubleStar: "** must be a whole segment, as in /v1/**"
            case .unbalancedBraces: "braces must be closed and not nested, as in /{v1,v1beta}/**"
            case .slashInBraces: "braces hold parts of one segment: no / in them"
            case .tooManyAlternatives:
                "braces give more than \(PathPattern.alternativeLimit) alternatives: write several routes"
            }
        }
    }

    fileprivate enum Segment: Sendable, Equatable {
        case literal([UInt8])
        /// Any one that is not empty.
        case one
        /// With a `*` in it, which is any run of bytes.
        case glob([UInt8])
        case any
    }

    fileprivate static let alternativeLimit = 64

    /// One choice of words in braces. Holds no reference, so that looking at it counts none.
    private struct Alternative: Sendable, Equatable {
        /// In `prefixes`: what every path that matches begins with. Most paths are told by it alone.
        let prefix: Range<Int>
        let rest: Rest
    }

    /// What follows the prefix.
    private enum Rest: Sendable, Equatable {
        case nothing
        /// `**` and no more.
        case anything
        /// Index into `patterns`.
        case pattern(Int)
    }

    /// As written.
    package let text: String
    private var alternatives: [Alternative] = []
    private var prefixes: [UInt8] = []
    private var patterns: [[Segment]] = []

    /// Matches nothing.
    package init() {
        text = ""
    }

    package init(_ text: String) throws(Failure) {
        guard text.utf8.first == UInt8(ascii: "/") else { throw .noLeadingSlash }
        self.text = text
        for path in try Self.expanded(Array(text.utf8)) {
            var segments: [Segment] = []
            for segment in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
                segments.append(try Self.segment(Array(segment)))
            }
            add(segments)
        }
    }

    /// Cost: proportional to the path, nothing is allocated.
    package func matches(_ path: ByteBufferView) -> Bool {
        let buffer = ByteBuffer(path)
        let bytes = buffer.readableBytesUInt8Span
        guard bytes.count > 0, bytes[0] == UInt8(ascii: "/") else { return false }
        for alternative in alternatives where begins(bytes, with: alternative.prefix) {
            let length = alternative.prefix.count
            switch alternative.rest {
            case .nothing: if bytes.count == length { return true }
            case .anything: if bytes.count == length || bytes[length] == UInt8(ascii: "/") { return true }
            case .pattern(let index): if Self.matches(patterns[index], bytes) { return true }
            }
        }
        return false
    }

    private func begins(_ path: Span<UInt8>, with prefix: Range<Int>) -> Bool {
        guard prefix.count <= path.count else { return false }
        var index = 0
        for position in prefix {
            if prefixes[position] != path[index] { return false }
            index += 1
        }
        return true
    }

    private mutating func add(_ segments: [Segment]) {
        let start = prefixes.count
        var rest = Rest.nothing
        for (index, segment) in segments.enumerated() {
            guard case .literal(let literal) = segment else {
                if segment == .any, index == segments.count - 1 {
                    rest = .anything
                } else {
                    rest = .pattern(patterns.count)
                    patterns.append(segments)
                }
                break
            }
            prefixes.append(UInt8(ascii: "/"))
            prefixes += literal
        }
        alternatives.append(Alternative(prefix: start..<prefixes.count, rest: rest))
    }

    /// Both cursors go forward; on a mismatch the newest `**` takes one segment more.
    private static func matches(_ segments: [Segment], _ path: Span<UInt8>) -> Bool {
        var position = 0
        var start = 1
        var retry: (position: Int, start: Int)?
        while true {
            let isAtEnd = start > path.count
            if position < segments.count, segments[position] == .any {
                position += 1
                if position == segments.count { return true }
                retry = (position, start)
                continue
            }
            if isAtEnd, position == segments.count { return true }
            if !isAtEnd, position < segments.count {
                let end = path.segmentEnd(from: start)
                if segments[position].matches(path, start..<end) {
                    position += 1
                    start = end + 1
                    continue
                }
            }
            guard let last = retry, last.start <= path.count else { return false }
            start = path.segmentEnd(from: last.start) + 1
            position = last.position
            retry = (position, start)
        }
    }

    private static func segment(_ bytes: [UInt8]) throws(Failure) -> Segment {
        if bytes == Array("*".utf8) { return .one }
        if bytes == Array("**".utf8) { return .any }
        guard bytes.contains(UInt8(ascii: "*")) else { return .literal(bytes) }
        for (byte, next) in zip(bytes, bytes.dropFirst()) where byte == UInt8(ascii: "*") && next == byte {
            throw .misplacedDoubleStar
        }
        return .glob(bytes)
    }

    /// Every way to choose one word of each pair of braces.
    private static func expanded(_ text: [UInt8]) throws(Failure) -> [[UInt8]] {
        var paths: [[UInt8]] = [[]]
        var index = 0
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "{"):
                guard let end = text[index...].firstIndex(of: UInt8(ascii: "}")) else { throw .unbalancedBraces }
                let words = text[(index + 1)..<end]
                guard !words.contains(UInt8(ascii: "{")) else { throw .unbalancedBraces }
                guard !words.contains(UInt8(ascii: "/")) else { throw .slashInBraces }
                let choices = words.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
                guard paths.count * choices.count <= alternativeLimit else { throw .tooManyAlternatives }
                paths = paths.flatMap { path in choices.map { path + $0 } }
                index = end + 1
            case UInt8(ascii: "}"):
                throw .unbalancedBraces
            default:
                for path in paths.indices { paths[path].append(text[index]) }
                index += 1
            }
        }
        return paths
    }
}

extension PathPattern.Segment {
    fileprivate func matches(_ path: Span<UInt8>, _ range: Range<Int>) -> Bool {
        switch self {
        case .any: return true
        case .one: return !range.isEmpty
        case .literal(let literal):
            guard literal.count == range.count else { return false }
            for index in literal.indices where literal[index] != path[range.lowerBound + index] { return false }
            return true
        case .glob(let glob): return Self.matches(glob, path, range)
        }
    }

    private static func matches(_ glob: [UInt8], _ path: Span<UInt8>, _ range: Range<Int>) -> Bool {
        var position = 0
        var index = range.lowerBound
        var retry: (position: Int, index: Int)?
        while index < range.upperBound {
            if position < glob.count, glob[position] == UInt8(ascii: "*") {
                position += 1
                retry = (position, index)
            } else if position < glob.count, glob[position] == path[index] {
                position += 1
                index += 1
            } else if let last = retry {
                position = last.position
                index = last.index + 1
                retry = (position, index)
            } else {
                return false
            }
        }
        while position < glob.count, glob[position] == UInt8(ascii: "*") { position += 1 }
        return position == glob.count
    }
}

extension Span where Element == UInt8 {
    fileprivate func segmentEnd(from start: Int) -> Int {
        var end = start
        while end < count, self[end] != UInt8(ascii: "/") { end += 1 }
        return end
    }
}
