-- The time in ms.
return string.format('%.0f', now)
