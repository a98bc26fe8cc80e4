internal import Glibc

/// A name as Redis and upstreams compare it: by its bytes.
///
/// `String` takes canonically equivalent texts, such as a composed and a decomposed é, for the same; callers choose models
/// and users, and to everybody else those are two.
package struct ExactName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    package init(_ text: String) { self.text = text }

    package var description: String { text }

    package static func == (left: ExactName, right: ExactName) -> Bool {
        left.text.utf8.count == right.text.utf8.count && left.text.byteOrder(to: right.text) == 0
    }

    package static func < (left: ExactName, right: ExactName) -> Bool { left.text.utf8Precedes(right.text) }

    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // No byte of UTF-8: names behind each other do not run together.
        hasher.combine(UInt8(0xff))
    }
}

extension String {
    /// Order by bytes, as the store sorts, not by Unicode's rules.
    func utf8Precedes(_ other: String) -> Bool { byteOrder(to: other) < 0 }

    /// Whether all bytes are the same.
    func isExactly(_ other: String) -> Bool { ExactName(self) == ExactName(other) }

    /// Below zero: before the other. Over memory, as the texts' own iterators take thirty instructions a byte.
    fileprivate func byteOrder(to other: String) -> Int {
        var (left, right) = (self, other)
        return left.withUTF8 { left in
            right.withUTF8 { right in
                let difference = left.count - right.count
                guard let first = left.baseAddress, let second = right.baseAddress else { return difference }
                let order = unsafe memcmp(first, second, min(left.count, right.count))
                return order == 0 ? difference : Int(order)
            }
        }
    }
}
