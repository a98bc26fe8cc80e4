/// The members of a query string, percent-decoded, in order.
package struct QueryItems: Equatable, Sendable {
    private let items: [Item]

    /// - Parameter query: without the question mark.
    package init(_ query: String) {
        items = query.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return Item(name: parts[0].formDecoded, value: parts.count > 1 ? parts[1].formDecoded : "")
        }
    }

    package func first(_ name: String) -> String? {
        items.first { $0.name == name }?.value
    }

    package func all(_ name: String) -> [String] {
        items.filter { $0.name == name }.map(\.value)
    }

    private struct Item: Equatable, Sendable {
        let name: String
        let value: String
    }
}

extension Substring {
    /// `%41` becomes `A`; a `%` that no two hexadecimal digits follow stays (RFC 3986, 2.1).
    var percentDecoded: String { decoded(plusIsSpace: false) }

    /// As `percentDecoded`, and `+` becomes a space (application/x-www-form-urlencoded).
    fileprivate var formDecoded: String { decoded(plusIsSpace: true) }

    private func decoded(plusIsSpace: Bool) -> String {
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = Self.hexByte(rest.prefix(2)) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexByte(_ digits: Substring.UTF8View.SubSequence) -> UInt8? {
        guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        return UInt8(Substring(digits), radix: 16)
    }
}
