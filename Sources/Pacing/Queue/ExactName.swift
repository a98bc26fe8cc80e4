/// A name as Redis and upstreams compare it: by its bytes.
///
/// `String` takes canonically equivalent texts, such as a composed and a decomposed é, for the same; callers choose models
/// and users, and to everybody else those are two.
package struct ExactName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    package init(_ text: String) { self.text = text }

    package var description: String { text }

    package static func == (left: ExactName, right: ExactName) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

    package static func < (left: ExactName, right: ExactName) -> Bool { left.text.utf8Precedes(right.text) }

    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // No byte of UTF-8: names behind each other do not run together.
        hasher.combine(UInt8(0xff))
    }
}
