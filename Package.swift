// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "sluice",
    products: [
        .executable(name: "gateway", targets: ["gateway"]),
        .executable(name: "backend", targets: ["backend"]),
        .executable(name: "simulator", targets: ["simulator"]),
        // What `Benchmarks/` builds against: `package` access ends at the package's edge.
        .library(name: "HTTPWire", targets: ["HTTPWire"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", .upToNextMinor(from: "1.8.2")),
        .package(url: "https://github.com/apple/swift-collections", .upToNextMinor(from: "1.6.0")),
        .package(url: "https://github.com/apple/swift-http-types", .upToNextMinor(from: "1.8.0")),
        .package(url: "https://github.com/apple/swift-log", .upToNextMinor(from: "1.16.2")),
        .package(url: "https://github.com/apple/swift-nio", .upToNextMinor(from: "2.101.2")),
        .package(url: "https://github.com/apple/swift-nio-extras", .upToNextMinor(from: "1.35.2")),
        .package(url: "https://github.com/apple/swift-nio-ssl", .upToNextMinor(from: "2.37.6")),
        .package(url: "https://github.com/hummingbird-project/hummingbird", .upToNextMinor(from: "2.28.1")),
        .package(url: "https://github.com/LebJe/TOMLKit", exact: "0.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", .upToNextMinor(from: "2.13.0")),
    ],
    targets: [
        // Executables: each parses flags and calls one function.
        .executableTarget(
            name: "backend",
            dependencies: ["Backend", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Sources/Executables/backend"
        ),
        .executableTarget(
            name: "gateway",
            dependencies: ["Gateway", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Sources/Executables/gateway"
        ),
        .executableTarget(
            name: "simulator",
            dependencies: ["Simulator", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Sources/Executables/simulator"
        ),

        // Services.
        .target(
            name: "Backend",
            dependencies: [
                "CurlClient", "Hashing", "PostgresClient", "ProcessLog",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOFoundationCompat", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            resources: [.embedInCode("OpenAPI"), .embedInCode("Web")]
        ),
        .target(
            name: "Gateway",
            dependencies: [
                "CurlClient", "Dialects", "HTTPWire", "Hashing", "Pacing", "ProcessLog", "RateLimit", "RedisClient",
                "ResponseCache",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "TOMLKit", package: "TOMLKit"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            resources: [.embedInCode("Telemetry/Lua")]
        ),
        .target(
            name: "Simulator",
            dependencies: [
                "ProcessLog",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]
        ),

        .target(name: "ProcessLog", dependencies: [.product(name: "Logging", package: "swift-log")]),

        // Algorithms: they know no HTTP server and no socket.
        .target(
            name: "Dialects",
            dependencies: [.product(name: "NIOCore", package: "swift-nio")]
        ),
        .target(
            name: "Pacing",
            dependencies: [
                "RedisClient",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            resources: [.embedInCode("Lua")]
        ),
        .target(
            name: "RateLimit",
            dependencies: [
                "Hashing", "RedisClient",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            resources: [.embedInCode("Lua")]
        ),
        .target(
            name: "ResponseCache",
            dependencies: [
                "Hashing", "RedisClient",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            resources: [.embedInCode("Lua")]
        ),

        // Clients and codecs: C pointers end here.
        .target(
            name: "CurlClient",
            dependencies: [
                "CCurl",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .target(
            name: "Hashing",
            dependencies: ["COpenSSL", .product(name: "NIOCore", package: "swift-nio")]
        ),
        .target(
            name: "HTTPWire",
            dependencies: [
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]
        ),
        .target(
            name: "PostgresClient",
            dependencies: [
                "CPostgres",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .target(
            name: "RedisClient",
            dependencies: [
                "CRedis", "Hashing",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]
        ),

        // Debian's C libraries.
        .systemLibrary(name: "CCurl"),
        .systemLibrary(name: "COpenSSL"),
        .systemLibrary(name: "CPostgres"),
        .systemLibrary(name: "CRedis"),

        // Starts real servers for tests on free loopback ports.
        .target(
            name: "TestSupport",
            dependencies: [],
            path: "Tests/TestSupport"
        ),
        .testTarget(
            name: "BackendTests",
            dependencies: [
                "Backend", "Hashing", "PostgresClient", "TestSupport",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .testTarget(name: "ClusterTests", dependencies: ["TestSupport"], exclude: ["Clients"]),
        .testTarget(
            name: "CurlClientTests",
            dependencies: [
                "CurlClient", "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "DialectsTests",
            dependencies: ["Dialects", "TestSupport", .product(name: "NIOCore", package: "swift-nio")]
        ),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "CurlClient", "Dialects", "Gateway", "HTTPWire", "Pacing", "RateLimit", "ResponseCache", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "HTTPWireTests",
            dependencies: [
                "HTTPWire", "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "HashingTests",
            dependencies: ["Hashing", .product(name: "NIOCore", package: "swift-nio")]
        ),
        .testTarget(
            name: "PacingTests",
            dependencies: [
                "Pacing", "RedisClient", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "PostgresClientTests",
            dependencies: [
                "PostgresClient", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "RateLimitTests",
            dependencies: [
                "Hashing", "RateLimit", "RedisClient", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "RedisClientTests",
            dependencies: [
                "RedisClient", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "ResponseCacheTests",
            dependencies: [
                "Hashing", "RedisClient", "ResponseCache", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "SimulatorTests",
            dependencies: [
                "Simulator",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]
        ),
    ]
)

/// Modules that wrap a C library or parse bytes in place; everywhere else each use of unsafe memory must be marked.
let wrappers: Set = ["CurlClient", "HTTPWire", "Hashing", "PostgresClient", "RedisClient"]

/// Tests that compute for minutes. The others wait for what they test and run no faster optimized, but take twice as long
/// to compile: a fifth of the whole build.
let computing: Set = ["PacingTests"]

for target in package.targets where target.type != .system {
    var settings: [SwiftSetting] = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
        // A tenth of a request's instructions went into these checks, which debug builds make: docs/decisions/0009.
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
    ]
    if target.type != .test && target.name != "TestSupport" && !wrappers.contains(target.name) {
        settings.append(.strictMemorySafety())
    }
    if target.type == .test && !computing.contains(target.name) {
        settings.append(.unsafeFlags(["-Onone"], .when(configuration: .release)))
    }
    target.swiftSettings = (target.swiftSettings ?? []) + settings
}
