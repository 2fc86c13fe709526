# A bootstrap of a regression, in processes that mclapply forks for each round.
library(parallel)
RNGkind("L'Ecuyer-CMRG")
set.seed(1)
x <- matrix(rnorm(4000 * 12), ncol = 12)
y <- x %*% seq_len(12) + rnorm(4000)
one <- function(i) {
  rows <- sample.int(nrow(x), replace = TRUE)
  coef(lm.fit(x[rows, ], y[rows]))
}
for (round in 1:20) {
  mc.reset.stream()
  estimates <- do.call(rbind, mclapply(1:200, one, mc.cores = 2))
  cat("round", round, sprintf("%.15g", c(colMeans(estimates)[c(1, 12)], sd(estimates[, 3]))), "\n")
  x <- x + outer(seq_len(nrow(x)) %% 7, 1:12) / 1000
  Sys.sleep(0.4)
}
saveRDS(estimates, "estimates.rds", compress = FALSE)
cat(unname(tools::md5sum("estimates.rds")), "\n")
