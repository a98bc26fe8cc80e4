/// An address that paths are put behind: scheme, host, port, path prefix.
enum BaseURL {
    /// The URL without the final slash; `nil`, and a mistake noted, where it is none.
    static func checked(_ text: String, _ key: String, of table: TableReader) -> String? {
        guard let rest = ["http://", "https://"].first(where: text.hasPrefix).map({ text.dropFirst($0.count) }) else {
            table.fail(key, "must begin with http:// or https://, is \"\(text)\"")
            return nil
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !rest.contains("?"), !rest.contains("#") else {
            table.fail(key, "must have no query, fragment, spaces or control characters, is \"\(text)\"")
            return nil
        }
        let authority = rest.prefix { $0 != "/" }
        guard !authority.contains("@") else {
            table.fail(key, "must hold no user or password: use key")
            return nil
        }
        guard isAuthority(authority) else {
            table.fail(key, "must name a host, as in \"https://host:8080/prefix\", is \"\(text)\"")
            return nil
        }
        var url = text[...]
        while url.hasSuffix("/") { url = url.dropLast() }
        return String(url)
    }

    private static func isAuthority(_ text: Substring) -> Bool {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return false }
            host = text[text.index(after: text.startIndex)..<end]
            guard InternetAddress(host) != nil else { return false }
            let rest = text[text.index(after: end)...]
            if !rest.isEmpty {
                guard rest.hasPrefix(":") else { return false }
                port = rest.dropFirst()
            }
        } else if let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        guard !host.isEmpty else { return false }
        guard let port else { return true }
        return port.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
            && (Int(port).map { (1...65_535).contains($0) } ?? false)
    }
}
