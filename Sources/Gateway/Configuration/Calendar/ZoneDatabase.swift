internal import FoundationEssentials

/// Where the compiled files of the IANA time zone database stand.
package struct ZoneDatabase: Sendable {
    package enum Failure: Error, Equatable {
        /// No directory of the database is there.
        case absent
        case unknown
        /// The file is no zone's.
        case malformed
    }

    /// Where systems keep it.
    package static let places = [
        "/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo",
    ]

    private let directory: String?

    /// - Parameter directories: the first that is there is used.
    package init(directories: [String] = places) {
        directory = directories.first {
            var isDirectory = false
            return FileManager.default.fileExists(atPath: $0, isDirectory: &isDirectory) && isDirectory
        }
    }

    /// - Parameter name: such as `America/Los_Angeles`.
    package func rules(of name: String) throws(Failure) -> ZoneRules {
        if name == "UTC" { return .utc }
        guard let directory else { throw .absent }
        guard Self.isName(name), let data = FileManager.default.contents(atPath: "\(directory)/\(name)") else {
            throw .unknown
        }
        guard let rules = ZoneRules(compiled: Array(data)) else { throw .malformed }
        return rules
    }

    /// All names, for a guess at what a mistyped one meant.
    package var names: [String] {
        guard let directory, let paths = try? FileManager.default.subpathsOfDirectory(atPath: directory) else {
            // A hint less.
            return []
        }
        return paths.filter { path in
            !path.hasPrefix("posix/") && !path.hasPrefix("right/") && !path.contains(".")
                && path.first?.isUppercase == true
        }
    }

    /// No way out of the directory.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix("/")
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
                !part.isEmpty
                    && part.utf8.allSatisfy { byte in
                        switch byte {
                        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"),
                            UInt8(ascii: "-"):
                            true
                        default: false
                        }
                    }
            }
    }
}
