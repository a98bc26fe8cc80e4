/// What can stand in a request field.
enum HeaderText {
    /// Whether a key or token survives the way through a field: visible ASCII. The empty text does.
    static func isToken(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    static let message = "must be visible ASCII without spaces, as it travels in a header field"

    /// A field's name or a method (RFC 9110, 5.6.2).
    static func isName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
